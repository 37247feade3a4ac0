//! An HTTP server on a loopback port, which records its requests and sends the responses that a test specifies.
//!
//! Invariant: a connection stays open until the client or a response closes it.
//! Not here: a real registry (`tests/registry.rs` of the binary).
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// A received request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The first line, as in `GET /subjects HTTP/1.1`.
    pub line: String,
    pub headers: Vec<String>,
    pub body: String,
}
impl Request {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().filter_map(|header| header.split_once(": "));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What the server sends in response to a request.
#[derive(Clone)]
pub enum ServerResponse {
    /// A complete response, after which the connection can be used again.
    Complete(Vec<u8>),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing; the connection stays open.
    Silence,
    /// `head`, then `repeated` again and again with a pause after each, until the client closes the connection.
    Endless { head: &'static str, repeated: &'static str, pause: Duration },
}

/// Returns a complete response.
pub fn json(status: u16, body: &str) -> ServerResponse {
    let length = body.len();
    ServerResponse::Complete(
        format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n\r\n{body}").into(),
    )
}

/// A running server. Its threads end with the process of the test.
pub struct Server {
    pub url: String,
    received: Arc<Mutex<Vec<Request>>>,
}
impl Server {
    pub fn start(response: impl Fn(&Request) -> ServerResponse + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (all, response) = (received.clone(), Arc::new(response));
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let (all, response) = (all.clone(), response.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some(request) = read_request(&mut reader) {
                        all.lock().unwrap().push(request.clone());
                        if respond(&stream, response(&request)).is_err() {
                            break;
                        }
                    }
                    _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Server { url, received }
    }
    pub fn requests(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }
}

/// Reads the next request; `None` if the connection has ended.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut request = Request { line: lines.remove(0), headers: lines, body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

/// Sends a response; an error ends the connection.
fn respond(mut stream: &TcpStream, response: ServerResponse) -> std::io::Result<()> {
    match response {
        ServerResponse::Complete(bytes) => stream.write_all(&bytes),
        ServerResponse::Bytes(bytes) => {
            stream.write_all(&bytes)?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
        ServerResponse::Silence => loop {
            std::thread::park();
        },
        ServerResponse::Endless { head, repeated, pause } => {
            stream.write_all(head.as_bytes())?;
            loop {
                stream.write_all(repeated.as_bytes())?;
                std::thread::sleep(pause);
            }
        }
    }
}
