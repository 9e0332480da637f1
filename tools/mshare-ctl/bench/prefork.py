# SPDX-License-Identifier: GPL-2.0-or-later
"""
The application that prefork.sh has served, its settings, and from the command
line the client that asks for it:

	python3 prefork.py SOCKET NR PATH	(NR requests at the same time)
"""
import mmap
import os
import socket
import sys
import time

MIB = 1 << 20
PAGE = 4096


class Cache:
    """What is mapped before the workers are forked, with a page for them to meet."""

    def __init__(self, size):
        self.size = size
        self.memory = mmap.mmap(-1, size + PAGE)
        for i in range(0, size, MIB):
            self.memory[i:i + MIB] = bytes([i // MIB % 256]) * MIB

    def visit(self, slot, number):
        """Look at each page, then wait until so many workers have."""
        answer = sum(self.memory[:self.size:PAGE])
        self.memory[self.size + slot] = 1
        while sum(self.memory[self.size:]) < number:
            time.sleep(0.02)
        return answer


def application(environ, start_response):
    number = int(environ['PATH_INFO'][1:] or 0)
    answer = cache.visit(int(os.environ['SLOT']), number) if number else 'ok'
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(answer).encode()]


def post_fork(_server, worker):
    os.environ['SLOT'] = str(worker.age)


def client(path, number, what):
    sockets = []
    for _ in range(number):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        sock.sendall(f'GET /{what} HTTP/1.0\r\n\r\n'.encode())
        sockets.append(sock)
    for sock in sockets:
        print(sock.makefile().read().partition('\n\n')[2])


if __name__ == '__main__':
    client(sys.argv[1], int(sys.argv[2]), sys.argv[3])
else:
    cache = Cache(int(os.environ['CACHE_MB']) * MIB)
