//! A DNS server on a local port that answers what a test tells it to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

/// How a question is answered; those that no test speaks of with NXDOMAIN.
#[derive(Clone)]
pub enum Reply {
    /// These records.
    Records(Vec<RData>),
    /// The first of these, then the next; the last one again and again.
    InTurn(Vec<Vec<RData>>),
    /// SERVFAIL.
    Failure,
    /// Nothing.
    Silence,
    /// These records, so much later.
    Late(Duration, Vec<RData>),
}

/// The running server; it ends with the test.
pub struct DnsServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replies: HashMap<(Name, RecordType), Reply>,
    asked: Vec<(String, RecordType)>,
    is_silent: bool,
}

impl DnsServer {
    pub async fn start() -> Self {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let server = Self { address: socket.local_addr().unwrap(), state: Arc::default() };
        let state = server.state.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
                let (answer, delay) = state.lock().unwrap().answer(&question);
                let (Some(answer), socket) = (answer, socket.clone()) else { continue };
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = socket.send_to(&answer.to_vec().unwrap(), peer).await;
                });
            }
        });
        server
    }

    /// Sets the answer about a name.
    pub fn set(&self, name: &str, kind: RecordType, reply: Reply) {
        let mut name = Name::from_ascii(name).unwrap();
        name.set_fqdn(true);
        self.state.lock().unwrap().replies.insert((name.to_lowercase(), kind), reply);
    }

    /// Sets what an address points to.
    pub fn point(&self, address: &str, reply: Reply) {
        let name = Name::from(address.parse::<IpAddr>().unwrap());
        self.set(&name.to_ascii(), RecordType::PTR, reply);
    }

    /// An address that points to a name which leads back to it.
    pub fn host(&self, address: &str, name: &str) {
        self.point(address, Reply::Records(vec![ptr(name)]));
        let kind = if address.contains(':') { RecordType::AAAA } else { RecordType::A };
        self.set(name, kind, Reply::Records(vec![data(address)]));
    }

    /// Answers nothing at all any more, or again.
    pub fn silence(&self, is_silent: bool) {
        self.state.lock().unwrap().is_silent = is_silent;
    }

    /// How many questions came about names that end so.
    pub fn asked_about(&self, ending: &str) -> usize {
        self.state.lock().unwrap().asked.iter().filter(|(name, _)| name.ends_with(ending)).count()
    }
}

impl State {
    fn answer(&mut self, question: &Message) -> (Option<Message>, Duration) {
        let query = &question.queries[0];
        let (name, kind) = (query.name().to_lowercase(), query.query_type());
        self.asked.push((name.to_ascii(), kind));
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        let mut delay = Duration::ZERO;
        let records = match self.replies.get_mut(&(name, kind)) {
            _ if self.is_silent => return (None, delay),
            None => {
                answer.metadata.response_code = ResponseCode::NXDomain;
                Vec::new()
            }
            Some(Reply::Silence) => return (None, delay),
            Some(Reply::Failure) => {
                answer.metadata.response_code = ResponseCode::ServFail;
                Vec::new()
            }
            Some(Reply::Records(records)) => records.clone(),
            Some(Reply::Late(late, records)) => {
                delay = *late;
                records.clone()
            }
            Some(Reply::InTurn(turns)) => {
                if turns.len() > 1 {
                    turns.remove(0)
                } else {
                    turns[0].clone()
                }
            }
        };
        answer.add_answers(records.into_iter().map(|data| Record::from_rdata(query.name().clone(), 0, data)));
        (Some(answer), delay)
    }
}

/// A name that an address points to.
pub fn ptr(name: &str) -> RData {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    RData::PTR(PTR(name))
}

/// An address of a name.
pub fn data(address: &str) -> RData {
    match address.parse().unwrap() {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    }
}
