//! Many clients at once: too many from one address, and more watchers than one turn wakes.

use crate::common::wire;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::server::PATIENCE;
use crate::common::toy_server::*;
use zigcheck::interface::counters::DropCause;
use zigcheck::shell::limits::{ADDRESS_CONNECTIONS_LIMIT, ARRIVALS, WAKES_LIMIT};
use zigcheck::shell::listen::raise_open_files;

/// A connection that comes from that address of the loopback network.
fn connect_from(server: &Server, from: [u8; 4]) -> TcpStream {
    let to = server.name.parse().unwrap();
    let stream = wire::connect(to, from.into(), None).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The head of the answer to a request, or a part of it: a refusal that was sent before the request came may be cut off by
/// the reset that follows.
fn head_of_answer(mut socket: TcpStream) -> String {
    let _ = write!(socket, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|read| read > 0) {
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn too_many_connections_from_one_address_are_refused_and_others_are_served() {
    raise_open_files();
    let server = Server::start();
    let greedy = [127, 0, 0, 2];
    let mut many: Vec<TcpStream> = (0..ADDRESS_CONNECTIONS_LIMIT)
        .map(|_| connect_from(&server, greedy))
        .collect();
    assert_eq!(get(&mut many[0], "/hello"), "hello");
    let last = many.last_mut().unwrap();
    assert_eq!(get(last, "/hello"), "hello");

    let mut refused = connect_from(&server, greedy);
    let mut answer = String::new();
    refused.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");

    assert_eq!(
        get(&mut connect_from(&server, [127, 0, 0, 3]), "/hello"),
        "hello"
    );
    assert_eq!(server.get("/hello"), "hello", "the loopback is exempt");

    drop(refused);
    drop(many.pop());
    // That the places are free again is known to the server a moment later.
    wait_until("a connection is admitted again", || {
        head_of_answer(connect_from(&server, greedy)).starts_with("HTTP/1.1 200 ")
    });
    let refused = server
        .stop()
        .counters
        .clients
        .dropped(DropCause::AddressLimit);
    assert!(refused >= 1, "{refused}");
}

#[test]
fn a_client_that_connects_too_often_is_told_when_to_come_again() {
    let server = Server::start();
    let hasty = [127, 0, 0, 4];
    let burst = usize::try_from(ARRIVALS.burst).unwrap();
    let come = || head_of_answer(connect_from(&server, hasty));
    for _ in 0..burst {
        assert!(come().starts_with("HTTP/1.1 200 "));
    }
    // The bucket refills meanwhile. Connections that are all open before the first is used come faster than that,
    // unless the machine is very slow: then the next ones do.
    let mut refused = None;
    wait_until("a connection is refused", || {
        let sockets: Vec<TcpStream> = (0..2 * burst)
            .map(|_| connect_from(&server, hasty))
            .collect();
        let mut heads = sockets.into_iter().map(head_of_answer);
        // Not for the number of connections that are open, which has another pause.
        refused = heads.find(|head| {
            head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nRetry-After: 1\r\n")
        });
        refused.is_some()
    });
    let refused = refused.unwrap();
    assert!(refused.contains("\r\nConnection: close\r\n"), "{refused}");
    assert_eq!(
        get(&mut connect_from(&server, [127, 0, 0, 5]), "/hello"),
        "hello"
    );
    wait_until("the client is admitted again", || {
        come().starts_with("HTTP/1.1 200 ")
    });
    server.stop();
}

#[test]
fn more_watchers_than_a_turn_wakes_get_everything() {
    raise_open_files();
    let server = Server::start();
    let count = 2 * WAKES_LIMIT + 100;
    let mut watchers: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    for socket in &mut watchers {
        write!(socket, "GET /drip?40 HTTP/1.0\r\n\r\n").unwrap();
    }
    for _ in 0..20 {
        assert_eq!(server.get("/hello"), "hello");
    }
    for socket in &mut watchers {
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), 40, "{answer}");
    }
    server.stop();
}

#[test]
fn bytes_connections_and_turns_are_counted() {
    let server = Server::start();
    let request = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut received = 0;
    let mut sent = 0;
    for _ in 0..3 {
        let mut socket = server.connect();
        for _ in 0..5 {
            socket.write_all(request.as_bytes()).unwrap();
            let (head, body) = read_answer(&mut socket);
            received += request.len() as u64;
            sent += (head.len() + body.len()) as u64;
        }
    }
    let kept = server.connect();
    let toy = server.stop();
    drop(kept);
    let counted = toy.counters.clients;
    assert_eq!(
        (counted.received_bytes, counted.sent_bytes),
        (received, sent)
    );
    // The last connection may not have been accepted before the end.
    assert!((3..=4).contains(&counted.accepted), "{counted:?}");
    assert!(counted.open <= 1, "{counted:?}");
    for cause in DropCause::ALL {
        assert_eq!(counted.dropped(cause), 0, "{cause:?}");
    }
    let turns = toy.counters.turns;
    assert_eq!(turns.count, toy.turns as u64);
    assert!(turns.buckets().all(|(_, up_to)| up_to <= turns.count));
}
