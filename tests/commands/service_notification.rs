//! The messages that a run sends to the service manager.
//!
//! Invariant: every run ends within the test.
//! Not here: the systemd unit (`packaging/`).
use crate::support::{fastbreak, run};
use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A run that notifies this socket, with further variables.
fn start(data: &Path, socket: &str, variables: &[(&str, &str)]) -> Child {
    let mut command = fastbreak(data, &["run"]);
    command.envs(variables.iter().copied()).env("NOTIFY_SOCKET", socket).env("FASTBREAK_CONSOLE", "");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
/// Waits for the next message.
fn receive(socket: &UnixDatagram) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).expect("a message");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}
/// Stops a run; returns the messages that it sent meanwhile.
fn stop(mut running: Child, socket: &UnixDatagram) -> Vec<String> {
    let kill = Command::new("kill").args(["-s", "TERM", &running.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(running.wait().unwrap().code(), Some(0));
    socket.set_nonblocking(true).unwrap();
    let mut messages = Vec::new();
    let mut buffer = [0; 256];
    while let Ok(length) = socket.recv(&mut buffer) {
        messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    messages
}

#[test]
fn a_run_tells_the_service_manager_that_it_has_started_that_it_is_alive_and_that_it_stops() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let running = start(data.path(), path.to_str().unwrap(), &[("WATCHDOG_USEC", "100000")]);
    assert_eq!(receive(&socket), "READY=1");
    for _ in 0..3 {
        assert_eq!(receive(&socket), "WATCHDOG=1");
    }
    let messages = stop(running, &socket);
    assert!(messages.contains(&"STOPPING=1".to_owned()), "{messages:?}");
}

#[test]
fn a_run_without_a_watchdog_of_its_own_sends_only_its_start_and_its_stop_also_to_an_abstract_address() {
    let name = format!("fastbreak-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    for variables in [&[][..], &[("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]] {
        let data = tempfile::tempdir().unwrap();
        let running = start(data.path(), &format!("@{name}"), variables);
        assert_eq!(receive(&socket), "READY=1");
        socket.set_nonblocking(false).unwrap();
        assert_eq!(stop(running, &socket), ["STOPPING=1"]);
        socket.set_nonblocking(false).unwrap();
    }
}

#[test]
fn a_variable_of_the_service_manager_that_is_wrong_is_refused_before_anything_is_created() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    for (variable, value) in
        [("NOTIFY_SOCKET", "relative"), ("WATCHDOG_USEC", "soon"), ("WATCHDOG_USEC", "0")]
    {
        let mut command = fastbreak(&data, &["run", "--until-caught-up"]);
        command.env(variable, value);
        let (code, text) = run(command);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(variable) && text.contains(value) && text.contains("next: "), "{text}");
        assert!(!data.exists(), "{variable}={value} created the folder");
    }
}
