//! Where the server listens.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use zigcheck::config::settings::Listen;
use zigcheck::shell::listen::{Listener, Listeners};

use crate::common::toy::Toy;
use crate::common::toy_server::{Server, any_port, get};
use crate::dir::Dir;

#[test]
fn a_unix_socket_replaces_a_dead_one_only() {
    let dir = Dir::new("unix");
    let path = dir.0.join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a dead socket file");
    let listen = Listen::Unix(path.clone());
    let server = Server::at(Toy::default(), &listen);
    let why = Listener::open(&listen).err().unwrap();
    assert!(why.ends_with("another server is listening there"), "{why}");
    let mut socket = UnixStream::connect(&path).unwrap();
    assert_eq!(get(&mut socket, "/hello"), "hello");
    server.stop();

    let file = dir.0.join("file");
    std::fs::write(&file, "precious").unwrap();
    let why = Listener::open(&Listen::Unix(file.clone())).err().unwrap();
    assert!(why.ends_with("there is a file of that name"), "{why}");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let why = Listener::open(&Listen::Unix(dir.0.join("no/dir")))
        .err()
        .unwrap();
    assert!(why.contains("No such file or directory"), "{why}");
}

#[test]
fn an_address_in_use_is_one_line() {
    let server = Server::start();
    let taken = Listen::Tcp(server.name.parse().unwrap());
    let why = Listener::open(&taken).err().unwrap();
    assert_eq!(
        why,
        format!(
            "cannot listen on {}: Address already in use (os error 98)",
            server.name
        )
    );
}

#[test]
fn the_admin_socket_is_its_owner_s_and_replaces_a_dead_one() {
    let dir = Dir::new("admin");
    let path = dir.0.join("admin.sock");
    drop(UnixListener::bind(&path).unwrap());
    let admin = Listener::open_admin(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let why = Listener::open_admin(&path).err().unwrap();
    assert!(why.ends_with("another server is listening there"), "{why}");
    let public = Listener::open(&any_port()).unwrap();
    let name = public.name.clone();
    let admin = Some(admin);
    let server = Server::on(Toy::serving(true), name, Listeners { public, admin });
    let mut socket = UnixStream::connect(&path).unwrap();
    assert_eq!(get(&mut socket, "/hello"), "hello");
    assert_eq!(get(&mut server.connect(), "/hello"), "hello");
    assert_eq!(get(&mut socket, "/hello"), "hello");
    server.stop();

    let long = dir.0.join("x".repeat(108));
    let why = Listener::open_admin(&long).err().unwrap();
    assert!(why.contains("cannot listen on unix:"), "{why}");
}
