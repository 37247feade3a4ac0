//! The status page: three files that are compiled into the binary.
//!
//! Invariant: the content security policy lets the page load files only from this listener, and blocks inline scripts.
//! Not here: the files themselves (`assets/`), the data they show (`processors`).
use axum::{
    http::header,
    response::{IntoResponse, Response},
};

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

pub async fn html() -> Response {
    file("text/html; charset=utf-8", include_str!("../assets/console.html"))
}
pub async fn css() -> Response {
    file("text/css; charset=utf-8", include_str!("../assets/console.css"))
}
pub async fn js() -> Response {
    file("text/javascript; charset=utf-8", include_str!("../assets/console.js"))
}
