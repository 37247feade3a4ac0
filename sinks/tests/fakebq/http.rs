//! A small HTTP/1.1 server on loopback, which can close a socket before or during a response.
//!
//! Invariant: one thread per connection; a request is read completely before the response.
//! Not here: the content of responses (`calls`).
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub struct Request {
    pub method: String,
    /// Path without the query string.
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v)
    }
}

pub enum HttpResponse {
    Json(u16, String),
    Html(u16, String),
    Empty(u16),
    /// The Content-Length is larger than the body.
    Truncated(u16, String),
    /// The socket is closed without a response.
    Hangup,
    /// No response until the client closes the socket.
    Silence,
}

pub struct Server {
    pub at: SocketAddr,
    is_stopped: Arc<AtomicBool>,
}
impl Server {
    pub fn start(handler: impl Fn(Request) -> HttpResponse + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (stopped, handler) = (is_stopped.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let handler = handler.clone();
                std::thread::spawn(move || serve(stream, &*handler));
            }
        });
        Server { at, is_stopped }
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.at);
    }
}

fn serve(stream: TcpStream, handler: &(dyn Fn(Request) -> HttpResponse + Send + Sync)) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read(&mut reader) {
        let (status, kind, body, extra_length) = match handler(request) {
            HttpResponse::Json(status, body) => (status, "application/json", body, 0),
            HttpResponse::Html(status, body) => (status, "text/html", body, 0),
            HttpResponse::Empty(status) => (status, "text/plain", String::new(), 0),
            HttpResponse::Truncated(status, body) => (status, "application/json", body, 100),
            HttpResponse::Hangup => return,
            HttpResponse::Silence => {
                let _ = reader.read(&mut [0]);
                return;
            }
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len() + extra_length
        );
        let mut response = head.into_bytes();
        response.extend_from_slice(body.as_bytes());
        if stream.write_all(&response).is_err() || extra_length > 0 {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_lowercase(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, query, headers, body })
}

/// The two parts of a multipart body.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> [&'a [u8]; 2] {
    let find =
        |within: &[u8], what: &[u8]| within.windows(what.len()).position(|window| window == what).unwrap();
    let boundary = format!("--{boundary}");
    let mut rest = &body[find(body, boundary.as_bytes()) + boundary.len()..];
    [(); 2].map(|()| {
        let end = find(rest, boundary.as_bytes());
        let part = &rest[find(&rest[..end], b"\r\n\r\n") + 4..end - 2];
        rest = &rest[end + boundary.len()..];
        part
    })
}
