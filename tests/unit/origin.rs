//! The address of a client: of its connection, or as a trusted proxy forwards it.

use std::net::IpAddr;

use zigcheck::app::web::client_id::{identify, tenant};
use zigcheck::config::proxies::Proxies;
use zigcheck::interface::message::Head;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn head(lines: &[&str]) -> Head {
    let line = |value: &&str| ("x-forwarded-for".to_string(), value.to_string());
    Head {
        headers: lines.iter().map(line).collect(),
        ..Head::default()
    }
}

/// As whom who comes from there (`unix`: through a path) is known, if those proxies are trusted.
fn known(peer: &str, lines: &[&str], trusted: &str) -> String {
    let proxies = match trusted {
        "" => Proxies::default(),
        list => Proxies::read(list).unwrap(),
    };
    let peer = (peer != "unix").then(|| ip(peer));
    match identify(peer, &head(lines), &proxies) {
        None => "nobody".to_string(),
        client => tenant(client),
    }
}

#[test]
fn a_proxy_s_word_counts_where_it_is_trusted() {
    let (local, list) = ("127.0.0.1", "loopback,10.0.0.0/8,2001:db8:1::/48");
    for (peer, lines, trusted, wanted) in [
        ("192.0.2.1", &["198.51.100.9"][..], "", "192.0.2.1"),
        (local, &["198.51.100.9"], "", "nobody"),
        ("unix", &["198.51.100.9"], "", "nobody"),
        ("unix", &["198.51.100.9"], list, "nobody"),
        ("192.0.2.1", &["198.51.100.9"], list, "192.0.2.1"),
        // A proxy that says nothing of a client asks for itself.
        (local, &[], list, "nobody"),
        ("unix", &[], "unix", "nobody"),
        ("10.0.0.1", &[], list, "10.0.0.1"),
        // One that says something is believed.
        (local, &["198.51.100.9"], list, "198.51.100.9"),
        ("::ffff:127.0.0.1", &["198.51.100.9"], list, "198.51.100.9"),
        ("::1", &["198.51.100.9"], list, "198.51.100.9"),
        ("unix", &["198.51.100.9"], "unix", "198.51.100.9"),
        ("10.9.9.9", &["  198.51.100.9\t"], list, "198.51.100.9"),
        ("2001:db8:1:5::1", &["198.51.100.9"], list, "198.51.100.9"),
        ("2001:db8:2::1", &["198.51.100.9"], list, "2001:db8:2::/64"),
        (local, &["2001:db8:7:8:9::1"], list, "2001:db8:7:8::/64"),
        (local, &["::ffff:198.51.100.9"], list, "198.51.100.9"),
        (local, &["198.51.100.9:4711"], list, "198.51.100.9"),
        (local, &["[2001:db8:7:8::1]:80"], list, "2001:db8:7:8::/64"),
        (local, &["[2001:db8:7:8::1]"], list, "2001:db8:7:8::/64"),
        // The last that is no proxy: before it stands what the client made up.
        (local, &["1.1.1.1, 198.51.100.9"], list, "198.51.100.9"),
        (local, &["x, 198.51.100.9, 10.0.0.7"], list, "198.51.100.9"),
        (local, &["1.1.1.1", "198.51.100.9"], list, "198.51.100.9"),
        (
            local,
            &["198.51.100.9", "10.0.0.7,127.0.0.1"],
            list,
            "198.51.100.9",
        ),
        // The loopback of another machine is no place that is not counted.
        ("10.0.0.1", &["127.0.0.1"], "10.0.0.1", "127.0.0.1"),
        // What cannot be read, or names proxies alone, leaves the proxy, which is counted then.
        (local, &[""], list, "127.0.0.1"),
        (local, &["unknown"], list, "127.0.0.1"),
        (local, &["198.51.100.9, "], list, "127.0.0.1"),
        (local, &["198.51.100.9 192.0.2.3"], list, "127.0.0.1"),
        (local, &["198.51.100.9, 10.0.0.7x"], list, "127.0.0.1"),
        (local, &["[198.51.100.9]"], list, "127.0.0.1"),
        (local, &["10.0.0.7"], list, "127.0.0.1"),
        ("10.0.0.1", &["198.51.100.999"], list, "10.0.0.1"),
        ("unix", &["_hidden"], "unix", "127.0.0.1"),
    ] {
        assert_eq!(
            known(peer, lines, trusted),
            wanted,
            "{peer} {lines:?} {trusted}"
        );
    }
}

#[test]
fn a_list_of_proxies_holds_addresses_networks_and_two_words() {
    let holds = |list: &str, peer: &str| Proxies::read(list).unwrap().trust(Some(ip(peer)));
    for (list, inside, outside) in [
        ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("10.1.2.3/8", "10.255.0.1", "9.255.255.255"),
        ("128.0.0.0/1", "255.0.0.1", "127.255.255.255"),
        ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
        ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ("8000::/1", "ffff::1", "7fff::1"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        (" 1.1.1.1 , 192.0.2.7 ", "192.0.2.7", "1.1.1.2"),
        ("loopback", "127.9.9.9", "126.0.0.1"),
        ("loopback", "::1", "::2"),
    ] {
        assert!(holds(list, inside), "{list} {inside}");
        assert!(!holds(list, outside), "{list} {outside}");
    }
    assert!(Proxies::read("unix").unwrap().trust(None));
    for list in ["loopback", "0.0.0.0/1,128.0.0.0/1"] {
        assert!(!Proxies::read(list).unwrap().trust(None), "{list}");
    }
    for bad in [
        "",
        ",",
        "x",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/0",
        "::/0",
        "::/129",
        "10.0.0/8",
        "10.0.0.1:80",
        "10.0.0.1,",
        "host.example",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "Unix",
    ] {
        assert_eq!(Proxies::read(bad), None, "{bad}");
    }
}
