#!/usr/bin/env python3
"""A chat server with a thread for each client, as one writes it first.

What a client sends is sent to everyone, line by line. Says where it listens in its first line.
Written for the comparison with chinwag; it has none of the care that such a server needs.
"""

import resource
import socket
import sys
import threading

# A thread needs little here. The usual 8 MiB for each would only reserve addresses.
STACK_BYTES = 128 * 1024
BACKLOG = 4096
READ_BYTES = 65536

clients = []
clients_lock = threading.Lock()


def broadcast(line):
    """Sends it to all clients, one after the other: one that does not read blocks all."""
    with clients_lock:
        for client in clients:
            try:
                client.sendall(line)
            except OSError:
                pass  # Its own thread sees that it has gone.


def serve(client):
    """One client's life."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(b"* welcome\n")
    with clients_lock:
        clients.append(client)
    waiting = b""
    try:
        while received := client.recv(READ_BYTES):
            *lines, waiting = (waiting + received).split(b"\n")
            for line in lines:
                broadcast(line + b"\n")
    except OSError:
        pass  # It was reset: it has gone like one that says so.
    with clients_lock:
        clients.remove(client)
    client.close()


def main():
    """Accepts for ever."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    threading.stack_size(STACK_BYTES)
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    host, port = listener.getsockname()
    print(f"listening on {host}:{port}", flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
