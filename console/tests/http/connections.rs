//! Clients that send nothing, read nothing, or request the page under the name of another site.
//!
//! Invariant: whatever other clients do, the request of a supervisor gets its response.
//! Not here: the parsing of hosts (the crate's own tests).
use crate::common::Server;
use console::{HEAD_TIMEOUT, MAX_CONNECTIONS};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Returns the bytes that the server sends until it closes the connection.
fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(HEAD_TIMEOUT + Duration::from_secs(60))).unwrap();
    let mut bytes = Vec::new();
    // A closed connection may also be reported as reset.
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("still open: {error}"),
        _ => bytes,
    }
}

#[test]
fn many_idle_connections_do_not_delay_a_request() {
    let server = Server::ready();
    let mut idle: Vec<TcpStream> = Vec::new();
    for number in 0..3 * MAX_CONNECTIONS {
        let mut stream = TcpStream::connect(server.address).unwrap();
        // Every other client sends a part of a request. The server may have closed the connection already.
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: lo");
        }
        idle.push(stream);
    }
    assert_eq!(server.request("GET /livez").0, 200);
    assert_eq!(server.request("GET /").0, 200);
    // The oldest connections were closed in favour of newer ones.
    assert_eq!(read_to_end(&idle[0]), b"");
}

#[test]
fn many_subscribers_do_not_delay_a_request() {
    let server = Server::ready();
    let subscribers: Vec<TcpStream> =
        (0..MAX_CONNECTIONS + 1).map(|_| server.connect("GET /events")).collect();
    assert_eq!(server.request("GET /livez").0, 200);
    assert!(read_to_end(&subscribers[0]).starts_with(b"HTTP/1.1 200 OK"));
}

#[test]
fn a_connection_without_a_complete_request_is_closed() {
    let server = Server::ready();
    for part in [&b""[..], b"GET / HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(part).unwrap();
        let response = read_to_end(&stream);
        assert!(!response.starts_with(b"HTTP/1.1 200"), "{response:?}");
    }
}

#[test]
fn the_page_and_its_data_are_refused_under_another_host_and_probes_are_not() {
    let server = Server::ready();
    for path in ["/", "/console.js", "/console.css", "/events", "/processors"] {
        let (status, _, body) = server.request_as(&format!("GET {path}"), "attacker.example");
        assert_eq!(status, 421, "{path}");
        assert!(body.contains("console-hosts") && body.contains("attacker.example"), "{body}");
        let absolute = format!("GET http://attacker.example{path}");
        assert_eq!(server.request_as(&absolute, "localhost").0, 421, "{path}");
    }
    for path in ["/metrics", "/livez", "/readyz", "/healthz"] {
        assert_eq!(server.request_as(&format!("GET {path}"), "pod-7.cluster").0, 200, "{path}");
    }
    for host in ["localhost:8780", "127.0.0.1", "[::1]:8780", "stats.example"] {
        assert_eq!(server.request_as("GET /processors", host).0, 200, "{host}");
    }
}
