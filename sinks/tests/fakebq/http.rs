//! HTTP/1.1 over loopback, small enough to break where a test wants it to: a socket is closed before or in the middle of an answer.
//!
//! Invariant: one thread a connection; a request is read whole before it is answered.
//! Not here: what is answered (`mod`).
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
    /// Without its query.
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

pub enum Answer {
    Json(u16, String),
    Html(u16, String),
    Empty(u16),
    /// The head promises more than comes.
    Truncated(u16, String),
    /// The socket is closed, and nothing is said.
    Hangup,
    /// Nothing is said until the caller gives up.
    Silence,
}

pub struct Server {
    pub at: SocketAddr,
    is_stopped: Arc<AtomicBool>,
}
impl Server {
    pub fn start(answer: impl Fn(Request) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (stopped, answer) = (is_stopped.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let answer = answer.clone();
                std::thread::spawn(move || serve(stream, &*answer));
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

fn serve(stream: TcpStream, answer: &(dyn Fn(Request) -> Answer + Send + Sync)) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read(&mut reader) {
        let (status, kind, body, promised) = match answer(request) {
            Answer::Json(status, body) => (status, "application/json", body, 0),
            Answer::Html(status, body) => (status, "text/html", body, 0),
            Answer::Empty(status) => (status, "text/plain", String::new(), 0),
            Answer::Truncated(status, body) => (status, "application/json", body, 100),
            Answer::Hangup => return,
            Answer::Silence => {
                let _ = reader.read(&mut [0]);
                return;
            }
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len() + promised
        );
        let mut whole = head.into_bytes();
        whole.extend_from_slice(body.as_bytes());
        if stream.write_all(&whole).is_err() || promised > 0 {
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

/// The contents of the two parts of a multipart body.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> [&'a [u8]; 2] {
    let find = |within: &[u8], what: &[u8]| within.windows(what.len()).position(|at| at == what).unwrap();
    let boundary = format!("--{boundary}");
    let mut rest = &body[find(body, boundary.as_bytes()) + boundary.len()..];
    [(); 2].map(|()| {
        let end = find(rest, boundary.as_bytes());
        let part = &rest[find(&rest[..end], b"\r\n\r\n") + 4..end - 2];
        rest = &rest[end + boundary.len()..];
        part
    })
}
