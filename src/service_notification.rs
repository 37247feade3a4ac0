//! Messages to the service manager, as `sd_notify(3)` of systemd defines them: the run has started, its loop is not stuck, it stops.
//!
//! A message is a datagram to the socket that `NOTIFY_SOCKET` names. `WATCHDOG_USEC` is the time after which the service manager ends a
//! process that sent no `WATCHDOG=1`.
//! Invariant: without `NOTIFY_SOCKET`, nothing is sent. The loop never waits long for a service manager that does not read.
//! Not here: the loop (`run`), signals (`cli::signals`), the systemd unit (`packaging/`).
use anyhow::{Context, Result};
use runtime::RuntimeError;
use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
    time::{Duration, Instant},
};

const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG: &str = "WATCHDOG_USEC";
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";
/// How long to wait if the queue of the socket is full.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Tells the service manager that the processors have started.
///
/// # Errors
/// If the message cannot be sent.
pub fn ready() -> Result<()> {
    send("READY=1")
}
/// Tells the service manager that the process stops.
///
/// # Errors
/// If the message cannot be sent.
pub fn stopping() -> Result<()> {
    send("STOPPING=1")
}

/// The messages with which a loop shows the service manager that it is not stuck.
pub struct Watchdog {
    /// Half of the time after which the service manager ends the process; `None` if it expects no messages.
    interval: Option<Duration>,
    notified_at: Option<Instant>,
}
impl Watchdog {
    /// Reads from the environment whether the service manager expects messages, and how often.
    ///
    /// # Errors
    /// If a variable of the service manager has no valid value.
    pub fn from_environment() -> Result<Watchdog> {
        address()?;
        let process = number(WATCHDOG_PROCESS)?;
        let is_other = process.is_some_and(|process| process != u64::from(std::process::id()));
        let timeout = number(WATCHDOG)?.filter(|_| !is_other).map(Duration::from_micros);
        Ok(Watchdog { interval: timeout.map(|timeout| timeout / 2), notified_at: None })
    }
    /// Sends the message if the last one is old enough. One that cannot be sent is sent again at the next call.
    pub fn notify_if_due(&mut self) {
        let is_due = |interval| self.notified_at.is_none_or(|notified_at| notified_at.elapsed() >= interval);
        if !self.interval.is_some_and(is_due) {
            return;
        }
        match send("WATCHDOG=1") {
            Ok(()) => self.notified_at = Some(Instant::now()),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the service manager cannot be notified, retrying"
                );
            }
        }
    }
}

fn send(message: &str) -> Result<()> {
    let Some((name, address)) = address()? else { return Ok(()) };
    let send = || {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        socket.send_to_addr(message.as_bytes(), &address)
    };
    send().with_context(|| {
        format!(
            "sending {message} to the socket {} of the service manager, which {SOCKET} names, failed\nnext: unset {SOCKET} if no service manager runs this process",
            name.display()
        )
    })?;
    Ok(())
}

/// Returns the socket of the service manager, with its name; `None` if no service manager expects messages.
fn address() -> Result<Option<(OsString, SocketAddr)>> {
    let Some(name) = env::var_os(SOCKET).filter(|name| !name.is_empty()) else { return Ok(None) };
    let address = match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(&name).ok(),
        [b'@', abstract_name @ ..] => abstract_address(abstract_name),
        _ => None,
    };
    let problem = "is no address of a UNIX socket (a path, or @ and a name)";
    let address = address.ok_or_else(|| invalid(SOCKET, &name, problem))?;
    Ok(Some((name, address)))
}
#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> Option<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name).ok()
}
#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> Option<SocketAddr> {
    None
}

fn number(variable: &str) -> Result<Option<u64>> {
    let Some(text) = env::var_os(variable) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    Ok(Some(number.ok_or_else(|| invalid(variable, &text, "is no number above 0"))?))
}

fn invalid(variable: &str, value: &OsStr, problem: &str) -> RuntimeError {
    RuntimeError::InvalidSetting {
        setting: format!("the environment variable {variable}={}", value.display()),
        reason: format!("it {problem}"),
        next: format!("unset {variable}; only a service manager sets it"),
    }
}
