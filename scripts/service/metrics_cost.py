"""What ten scrapes a second cost a server: the processor time of a scrape alone, and in a flood.

In the flood it is the processor time a byte, in short windows that take turns, with scrapes and
without. Other programs disturb some windows, so the lowest tenth of each kind is compared. Two
halves of the windows without scrapes are compared too: that difference is noise. On a machine of
few cores a scrape also holds up the clients. Then the server does more at once, and the cost may
be below zero. So the exit code goes by the scrape alone: it is 1 if ten take 1 % of a core or more.
The argument is the folder of the program."""

import multiprocessing
import re
import selectors
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

CLIENTS = 50
TALKERS = 4
PAIRS = 150
SECONDS = 0.2
SCRAPES = 2

server = subprocess.Popen(
    [sys.argv[1] + "/chinwag", "--listen", "127.0.0.1:0", "--control", "none", "--quiet",
     "--metrics", "127.0.0.1:0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
log = ""
while "metrics: " not in log or "listening on" not in log:
    log += server.stderr.readline()
port = int(re.search(r"listening on 127\.0\.0\.1:(\d+)", log)[1])
metrics = re.search(r"http://\S+", log)[0]
received = multiprocessing.Value("Q", 0)


def flood():
    """Reads all that the server sends, and sends it lines as fast as it takes them."""
    lines = b"%s\n" % (b"x" * 60) * 200
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CLIENTS)]
    ready = selectors.DefaultSelector()
    for number, client in enumerate(clients):
        client.setblocking(False)
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        ready.register(client, both if number < TALKERS else selectors.EVENT_READ)
    page = bytearray(1 << 20)
    while True:
        for key, events in ready.select():
            if events & selectors.EVENT_READ:
                received.value += key.fileobj.recv_into(page)
            if events & selectors.EVENT_WRITE:
                key.fileobj.send(lines)


def scrape():
    text = urllib.request.urlopen(metrics).read().decode()
    return int(re.search(r"^chinwag_clients (\d+)", text, re.M)[1])


def used():
    with open(f"/proc/{server.pid}/schedstat") as file:
        return int(file.read().split()[0])


def window(scrapes):
    """Nanoseconds a kilobyte, and the share of a core that was used."""
    bytes_before, used_before, start = received.value, used(), time.monotonic()
    for number in range(SCRAPES):
        time.sleep(max(0, start + number * SECONDS / SCRAPES - time.monotonic()))
        if scrapes:
            scrape()
    time.sleep(max(0, start + SECONDS - time.monotonic()))
    took, lasted = used() - used_before, time.monotonic() - start
    return took / (received.value - bytes_before) * 1000, took / lasted / 1e9


def lowest(values):
    return statistics.mean(sorted(values)[:max(1, len(values) // 10)])


flooder = multiprocessing.Process(target=flood, daemon=True)
flooder.start()
time.sleep(1)
pairs = [(window(False), window(True)) for _ in range(PAIRS)]
flooder.kill()
flooder.join()
quiet, scraped = ([its[0] for its in side] for side in zip(*pairs))
share = statistics.median(its[1] for its, _ in pairs)
cost = lowest(scraped) / lowest(quiet) - 1
noise = lowest(quiet[::2]) / lowest(quiet[1::2]) - 1
print(f"flood, {share:.0%} of a core: with 10 scrapes a second {cost:+.1%} (noise {noise:+.1%})")
while scrape() > 0:
    time.sleep(0.1)
before = used()
for _ in range(1000):
    scrape()
share = (used() - before) / 1000 * 10 / 1e9
print(f"alone: {share * 1e5:.0f} us a scrape, {share:.3%} of a core at 10 a second")
server.terminate()
server.wait()
sys.exit(share >= 0.01)
