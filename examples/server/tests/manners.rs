//! What a peer sees of each manner, over a raw socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use server::{Callee, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LOOPBACK: &str = "127.0.0.1:0";

/// Sends `text` and reads until `enough` bytes of text were seen or the connection ended.
async fn exchange(to: SocketAddr, text: &str, enough: &str) -> (String, std::io::Result<()>) {
    let mut stream = TcpStream::connect(to).await.expect("connects");
    stream.write_all(text.as_bytes()).await.expect("sends");
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let read = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await;
        match read.expect("an answer within 5 s") {
            Ok(0) => return (seen, Ok(())),
            Ok(count) => seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
            Err(error) => return (seen, Err(error)),
        }
        if !enough.is_empty() && seen.contains(enough) {
            return (seen, Ok(()));
        }
    }
}

fn post(path: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n{header}\r\n{body}")
}

async fn upstream() -> Upstream {
    Upstream::start(LOOPBACK.parse().expect("address")).await.expect("starts")
}

async fn callee() -> Callee {
    Callee::start(LOOPBACK.parse().expect("address")).await.expect("starts")
}

#[tokio::test]
async fn an_early_upstream_answers_before_the_body_is_sent() {
    let upstream = upstream().await;
    for status in [400, 200] {
        let headers_only =
            format!("POST /early-{status} HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\n");
        let (seen, _) = exchange(upstream.address(), &headers_only, "headers\n").await;
        assert!(seen.starts_with(&format!("HTTP/1.1 {status} ")), "{seen}");
    }
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn a_patient_upstream_answers_only_after_the_whole_body() {
    let upstream = upstream().await;
    let mut stream = TcpStream::connect(upstream.address()).await.expect("connects");
    let request = post("/patient", "", "0123456789");
    let (most, last) = request.split_at(request.len() - 1);
    stream.write_all(most.as_bytes()).await.expect("sends");
    let mut buffer = [0; 256];
    let early = timeout(Duration::from_millis(100), stream.read(&mut buffer)).await;
    assert!(early.is_err(), "answered before the last byte");
    stream.write_all(last.as_bytes()).await.expect("sends");
    let count = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await;
    let count = count.expect("in time").expect("reads");
    let seen = String::from_utf8_lossy(&buffer[..count]);
    assert!(seen.ends_with("read 10 bytes\n"), "{seen}");
}

#[tokio::test]
async fn a_patient_upstream_reads_chunks_and_serves_the_next_request() {
    let upstream = upstream().await;
    let chunked = "POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\na\r\n0123456789\r\n0\r\n\r\n";
    let both = format!("{chunked}GET /early-200 HTTP/1.1\r\nhost: t\r\n\r\n");
    let (seen, _) = exchange(upstream.address(), &both, "headers\n").await;
    assert!(seen.contains("read 14 bytes\n"), "{seen}");
    assert!(seen.contains("answered on the headers\n"), "{seen}");
}

#[tokio::test]
async fn an_upstream_that_closes_says_nothing() {
    let upstream = upstream().await;
    let (seen, _) = exchange(upstream.address(), &post("/", "x-manner: close\r\n", ""), "").await;
    assert_eq!(seen, "");
}

#[tokio::test]
async fn the_callee_answers_a_status_after_its_delay() {
    let callee = callee().await;
    let start = Instant::now();
    let call = post("/check", "x-manner: after-150,status-403\r\n", "text");
    let (seen, _) = exchange(callee.address(), &call, "checked\n").await;
    assert!(seen.starts_with("HTTP/1.1 403 "), "{seen}");
    assert!(start.elapsed() >= Duration::from_millis(150));
    assert_eq!(callee.calls(), 1);
}

#[tokio::test]
async fn the_callee_refuses_without_a_word() {
    let callee = callee().await;
    let (seen, _) = exchange(callee.address(), &post("/refuse", "", ""), "").await;
    assert_eq!(seen, "");
}

#[tokio::test]
async fn a_reset_comes_in_the_middle_of_the_body() {
    let callee = callee().await;
    let (seen, end) = exchange(callee.address(), &post("/", "x-manner: reset\r\n", ""), "").await;
    assert!(seen.ends_with("half a bo"), "{seen}");
    assert_eq!(end.expect_err("no orderly end").kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dripping_answer_takes_a_second() {
    let callee = callee().await;
    let start = Instant::now();
    let (seen, _) = exchange(callee.address(), &post("/drip", "", ""), "..........").await;
    assert!(seen.ends_with(".........."), "{seen}");
    assert!(start.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn never_and_silent_keep_the_connection_open() {
    let (callee, upstream) = (callee().await, upstream().await);
    for (address, path) in [(callee.address(), "/never"), (upstream.address(), "/silent")] {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(post(path, "", "abc").as_bytes()).await.expect("sends");
        let read = timeout(Duration::from_millis(150), stream.read(&mut [0; 16])).await;
        assert!(read.is_err(), "{path} answered or closed");
    }
}

#[tokio::test]
async fn a_dropped_server_is_gone() {
    let upstream = upstream().await;
    let address = upstream.address();
    drop(upstream);
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "still accepts");
        tokio::task::yield_now().await;
    }
}
