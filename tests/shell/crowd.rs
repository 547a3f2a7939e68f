//! Many clients at once: too many from one address, and more watchers than one turn wakes.

use crate::common::wire;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::toy::*;
use zigcheck::shell::limits::{ADDRESS_CONNECTIONS_LIMIT, ARRIVALS, WAKES_LIMIT};
use zigcheck::shell::listen::raise_open_files;

/// A connection that comes from that address of the loopback network.
fn connect_from(server: &Server, from: [u8; 4]) -> TcpStream {
    let to = server.name.parse().unwrap();
    let stream = wire::connect(to, from.into(), None).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

#[test]
fn who_has_too_many_connections_is_told_so_and_others_are_not_concerned() {
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
    let again = (0..1_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let mut socket = connect_from(&server, greedy);
        let _ = write!(socket, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
        read_head(&mut socket).starts_with("HTTP/1.1 200 ")
    });
    assert!(again, "never let in again");
    server.stop();
}

#[test]
fn who_comes_too_often_is_told_when_to_come_again() {
    let server = Server::start();
    let hasty = [127, 0, 0, 4];
    let burst = usize::try_from(ARRIVALS.burst).unwrap();
    let come = || {
        let mut socket = connect_from(&server, hasty);
        let _ = write!(socket, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
        read_head(&mut socket)
    };
    for _ in 0..burst {
        assert!(come().starts_with("HTTP/1.1 200 "));
    }
    // New ones come into the bucket meanwhile, if slower than anybody can ask.
    let refused = (0..burst)
        .map(|_| come())
        .find(|head| head.starts_with("HTTP/1.1 429 "));
    let refused = refused.expect("never told to wait");
    assert!(refused.contains("\r\nRetry-After: 1\r\n"), "{refused}");
    assert!(refused.contains("\r\nConnection: close\r\n"), "{refused}");
    assert_eq!(
        get(&mut connect_from(&server, [127, 0, 0, 5]), "/hello"),
        "hello"
    );
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(come().starts_with("HTTP/1.1 200 "));
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
