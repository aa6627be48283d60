//! The servers around the plugins of the field: whatever a plugin or the router sends to a cluster
//! arrives here, is written down, and is answered as that kind of server would.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Received, read_request};

/// What a server got.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// The server's name.
    pub(super) server: &'static str,
    pub(super) request: Received,
}

/// All of them, listening. Their threads end with the process.
pub(super) struct Servers {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    /// Envoy's cluster names, and where they lead.
    pub(super) clusters: Vec<(&'static str, SocketAddr)>,
}

/// Name of a server, and its cluster as Higress names it.
const SERVERS: [(&str, &str); 6] = [
    ("model", "outbound|80||model-1-2.static"),
    ("red", "outbound|80||model-2-1.static"),
    ("blue", "outbound|80||model-2-2.static"),
    ("auth", "outbound|80||auth.static"),
    ("decider", "outbound|80||decider.static"),
    ("accounting", "outbound|80||gpustack.static"),
];

/// How long a model takes to answer.
const THINKING: Duration = Duration::from_millis(20);

impl Servers {
    pub(super) fn start() -> anyhow::Result<Self> {
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let mut clusters = Vec::new();
        for (server, cluster) in SERVERS {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            clusters.push((cluster, listener.local_addr()?));
            let arrivals = Arc::clone(&arrivals);
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let arrivals = Arc::clone(&arrivals);
                    // An error is Envoy that hung up.
                    std::thread::spawn(move || serve(server, stream, &arrivals));
                }
            });
        }
        Ok(Self { arrivals, clusters })
    }

    /// How many arrivals were not taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What has arrived since the last time.
    pub(super) fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(
    server: &'static str,
    stream: TcpStream,
    arrivals: &Mutex<Vec<Arrival>>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut answer = stream.try_clone()?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream)? {
        let arrival = Arrival { server, request };
        let reply = reply(&arrival);
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        answer.write_all(&reply)?;
    }
    Ok(())
}

fn reply(arrival: &Arrival) -> Vec<u8> {
    match arrival.server {
        "auth" => auth(arrival),
        "decider" => decider(),
        "accounting" => http(200, "text/plain", &[], ""),
        _ => model(arrival),
    }
}

/// Knows one caller.
fn auth(arrival: &Arrival) -> Vec<u8> {
    let known = arrival.request.header("authorization") == Some("Bearer good");
    if known {
        let headers = [("x-user-id", "7"), ("x-mse-consumer", "alice.gpustack-7")];
        http(200, "text/plain", &headers, "")
    } else {
        http(401, "text/plain", &[("x-auth-failed", "true")], "who are you?\n")
    }
}

/// Prefers the second of two models.
fn decider() -> Vec<u8> {
    let choice = json!({
        "choice": "strong",
        "confidence": 0.9,
        "probabilities": { "quick": 0.1, "strong": 0.9 },
    });
    let answers = json!({ "answers": { "model_selection": choice } });
    http(200, "application/json", &[], &answers.to_string())
}

/// Completes chats in OpenAI's and in Anthropic's shape, streamed or not; other paths get a little
/// JSON.
fn model(arrival: &Arrival) -> Vec<u8> {
    // Plugins that tell how fast a model is say nothing when it took no time at all.
    std::thread::sleep(THINKING);
    let asked: Value = serde_json::from_slice(&arrival.request.body).unwrap_or_default();
    let path = arrival.request.asked.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let model = asked["model"].as_str().unwrap_or("none");
    let said = asked["messages"][0]["content"].as_str().unwrap_or("nothing");
    let usage = json!({ "prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12 });
    if path.ends_with("/messages") {
        let message = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": model,
            "content": [{ "type": "text", "text": format!("you said: {said}") }],
            "stop_reason": "end_turn",
            "usage": { "input_tokens": 5, "output_tokens": 7 },
        });
        http(200, "application/json", &[], &message.to_string())
    } else if path.ends_with("/completions") && asked["stream"] == true {
        let chunk = |delta: Value, usage: &Value| {
            let choice = json!({ "index": 0, "delta": delta, "finish_reason": null });
            let chunk = json!({
                "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model,
                "choices": [choice], "usage": usage,
            });
            format!("data: {chunk}\n\n")
        };
        let events = [
            chunk(json!({ "role": "assistant", "content": "you said: " }), &Value::Null),
            chunk(json!({ "content": said }), &Value::Null),
            chunk(json!({}), &usage),
            "data: [DONE]\n\n".to_owned(),
        ];
        streamed(&events)
    } else if path.ends_with("/completions") {
        let message = json!({ "role": "assistant", "content": format!("you said: {said}") });
        let completion = json!({
            "id": "c1", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
            "usage": usage,
        });
        http(200, "application/json", &[], &completion.to_string())
    } else {
        let text = json!({ "path": path, "secret": "s3", "count": 1 }).to_string();
        http(200, "application/json", &[("x-inside", "yes")], &text)
    }
}

/// Events as they come, without a length said before.
fn streamed(events: &[String]) -> Vec<u8> {
    let mut text = "HTTP/1.1 200 Said\r\ncontent-type: text/event-stream\r\n".to_owned();
    text += "transfer-encoding: chunked\r\n\r\n";
    for event in events {
        text += &format!("{:x}\r\n{event}\r\n", event.len());
    }
    text += "0\r\n\r\n";
    text.into_bytes()
}

fn http(status: u16, kind: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let length = body.len();
    let mut text = format!("HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("content-length: {length}\r\n\r\n{body}");
    text.into_bytes()
}
