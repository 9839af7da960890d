//! A port that stays with its test.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// A port of the loopback interface. As long as this lives, nobody who asks for any free port is given it: connections are refused but
/// while the test itself, or a program that it told the port, listens there. (A port that a listener has just given back may be somebody
/// else's a moment later.)
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    /// Bound, but it never listens.
    _socket: Socket,
}

impl Port {
    pub fn take() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Linux lets another socket listen on a port beside one that doesn't, if both are bound with this; all listeners here are.
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { address, _socket: socket }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn listen(&self) -> TcpListener {
        TcpListener::bind(self.address).unwrap()
    }
}
