//! Stands between recorders and the collector, and is a bad one until it is told to pass all on.

use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use prost::Message;
use proto::v1::Batch;
use socket2::{Domain, SockRef, Socket, Type};

use crate::http::read_request;
use crate::random::Random;

/// What it does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Gives it to the collector and hands back the answer.
    Pass,
    /// Accepts the connection and never answers.
    BlackHole,
    /// Nothing listens.
    Refuse,
    /// Answers this status; the batch is gone.
    Status(u16),
    /// As `Pass`, but of a hundred batches so many are answered 200 and thrown away.
    Swallow {
        /// Of a hundred.
        percent: u64,
        /// Which ones.
        seed: u64,
    },
    /// Gives it to the collector and answers so much later.
    Late(Duration),
    /// Gives it to the collector, and resets the connection within the answer's body.
    ResetInBody,
}

/// A batch that was answered 200.
pub struct Accepted {
    /// Decoded.
    pub batch: Batch,
    /// It came after the outage.
    pub afterwards: bool,
    /// The collector has never seen it.
    pub swallowed: bool,
}

/// A running gate.
pub struct Gate {
    address: SocketAddr,
    collector: SocketAddr,
    socket: Socket,
    manner: Mutex<Manner>,
    attempts: AtomicU64,
    accepted: Mutex<Vec<Accepted>>,
    held: Mutex<Vec<TcpStream>>,
    random: Mutex<Random>,
}

impl Gate {
    /// Starts a gate before a collector.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(manner: Manner, collector: SocketAddr) -> Arc<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = socket.local_addr().expect("an address").as_socket().expect("of IP");
        let seed = if let Manner::Swallow { seed, .. } = manner { seed } else { 0 };
        let gate = Arc::new(Self {
            address,
            collector,
            socket,
            manner: Mutex::new(manner),
            attempts: AtomicU64::new(0),
            accepted: Mutex::default(),
            held: Mutex::default(),
            random: Mutex::new(Random::new(seed)),
        });
        if manner != Manner::Refuse {
            gate.listen();
        }
        gate
    }

    /// Ends the outage.
    pub fn pass(self: &Arc<Self>) {
        let before = std::mem::replace(&mut *lock(&self.manner), Manner::Pass);
        if before == Manner::Refuse {
            self.listen();
        }
        lock(&self.held).clear();
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections or batches that came during the outage, as far as it can see them.
    pub fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// All batches that were answered 200, but for those taken away.
    pub fn accepted(&self) -> MutexGuard<'_, Vec<Accepted>> {
        lock(&self.accepted)
    }

    /// The same, and they are forgotten here.
    pub fn take(&self) -> Vec<Accepted> {
        std::mem::take(&mut *self.accepted())
    }

    fn listen(self: &Arc<Self>) {
        self.socket.listen(64).expect("it listens");
        let listener: TcpListener = self.socket.try_clone().expect("a second handle").into();
        let gate = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let gate = Arc::clone(&gate);
                // A peer that goes away ends only its own connection.
                std::thread::spawn(move || gate.serve(stream).ok());
            }
        });
    }

    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        if *lock(&self.manner) == Manner::BlackHole {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            lock(&self.held).push(stream);
            return Ok(());
        }
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        while let Some(request) = read_request(&mut reader)? {
            let manner = *lock(&self.manner);
            if manner != Manner::Pass {
                self.attempts.fetch_add(1, Ordering::Relaxed);
            }
            let status = match manner {
                Manner::Status(status) => status,
                Manner::Swallow { percent, .. } if lock(&self.random).below(100) < percent => {
                    self.keep(&request.body, false, true);
                    200
                }
                _ => self.hand_on(&request.body, manner == Manner::Pass),
            };
            match manner {
                Manner::Late(wait) => std::thread::sleep(wait),
                Manner::ResetInBody => return reset(stream),
                _ => {}
            }
            write!(stream, "HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n")?;
        }
        Ok(())
    }

    /// The collector's status.
    fn hand_on(&self, body: &[u8], afterwards: bool) -> u16 {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = agent
            .post(format!("http://{}/v1/batches", self.collector))
            .header("content-type", "application/x-protobuf");
        let status = request.send(body).map_or(503, |answer| answer.status().as_u16());
        if status == 200 {
            self.keep(body, afterwards, false);
        }
        status
    }

    fn keep(&self, body: &[u8], afterwards: bool, swallowed: bool) {
        let batch = Batch::decode(body).expect("a recorder writes what can be read");
        lock(&self.accepted).push(Accepted { batch, afterwards, swallowed });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Half an answer, then a TCP reset: with no linger the kernel sends RST on close.
fn reset(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf a bo")?;
    // A reset right behind the bytes would discard them in the receiver's buffer too.
    std::thread::sleep(Duration::from_millis(20));
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}
