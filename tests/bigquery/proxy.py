#!/usr/bin/env python3
"""Proxy that adds to a BigQuery emulator what the emulator lacks: each job id is accepted once, at most two DML jobs run and twenty are
queued, a request has at most 10 MB, updates can be conditional, and faults are injected.

usage: proxy.py PORT EMULATOR_URL [FAULT_RATE [SEED [DOWN]]]

While the file DOWN exists, every connection is closed without a response.
"""
import gzip, json, os, random, socket, sys, threading, time, urllib.error, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, EMULATOR = int(sys.argv[1]), sys.argv[2].rstrip("/")
RATE = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
CHANCE = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
DOWN = sys.argv[5] if len(sys.argv) > 5 else ""
RUNNING, QUEUED, TAKES = 2, 20, 0.3
lock = threading.Lock()
jobs = {}  # job id -> job id in the emulator, or the job itself if the proxy made it fail
slots = threading.Semaphore(RUNNING)
waiting = 0
patching = threading.Lock()


def forward(method, path, headers, body):
    request = urllib.request.Request(EMULATOR + path, method=method, data=body if body else None)
    for name in ("Content-Type", "Authorization"):
        if headers.get(name):
            request.add_header(name, headers[name])
    try:
        with urllib.request.urlopen(request, timeout=600) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def error(code, reason, message):
    item = {"domain": "global", "reason": reason, "message": message}
    return code, json.dumps({"error": {"code": code, "message": message, "errors": [item], "status": reason}}).encode()


def job_of(path, headers, body):
    """Returns the job of a request or upload."""
    if path.startswith("/upload/"):
        boundary = headers["Content-Type"].split("boundary=")[1].encode()
        return json.loads(body.split(b"--" + boundary)[1].split(b"\r\n\r\n", 1)[1])
    return json.loads(body)


def decompress(headers, body):
    """Returns the body of an upload with decompressed data, since the emulator does not decompress data."""
    boundary = b"--" + headers["Content-Type"].split("boundary=")[1].encode()
    before, job, data, after = body.split(boundary)
    head, data = data.split(b"\r\n\r\n", 1)
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data[:-2]) + b"\r\n"
    return boundary.join([before, job, head + b"\r\n\r\n" + data, after])


def insert(method, path, headers, body):
    global waiting
    job = job_of(path, headers, body)
    if path.startswith("/upload/"):
        body = decompress(headers, body)
    name = job["jobReference"]["jobId"]
    query = job["configuration"].get("query")
    if len(body) > 10 * 1024 * 1024 and query:
        return error(400, "invalid", "Request payload size exceeds the limit: 10485760 bytes.")
    with lock:
        if name in jobs:
            return error(409, "duplicate", "Already Exists: Job " + name)
        jobs[name] = name
    if query and query["query"].split(None, 1)[0] in ("MERGE", "UPDATE", "DELETE"):
        with lock:
            waiting += 1
            full = waiting > RUNNING + QUEUED
        try:
            if full:
                message = "Resources exceeded during query execution: Too many DML statements outstanding against table, limit is 20."
                failed = {"reason": "resourcesExceeded", "message": message}
                job["status"] = {"state": "DONE", "errorResult": failed, "errors": [failed]}
                with lock:
                    jobs[name] = job
                return 200, json.dumps(job).encode()
            with slots:
                status, response = forward(method, path, headers, body)
                time.sleep(TAKES)
        finally:
            with lock:
                waiting -= 1
    else:
        status, response = forward(method, path, headers, body)
    if status == 200:
        created = json.loads(response)
        with lock:
            jobs[name] = created["jobReference"]["jobId"]
        created["jobReference"]["jobId"] = name
        response = json.dumps(created).encode()
    else:
        with lock:
            del jobs[name]
    return status, response


def get_job(method, path, headers, body):
    name = path.split("/jobs/")[1].split("?")[0]
    with lock:
        job = jobs.get(name)
    if job is None:
        return error(404, "notFound", "Not found: Job " + name)
    if isinstance(job, dict):
        return 200, json.dumps(job).encode()
    return forward(method, path.replace(name, job), headers, body)


def patch(method, path, headers, body):
    with patching:
        status, response = forward("GET", path, headers, b"")
        if status != 200:
            return status, response
        if headers.get("If-Match") and json.loads(response).get("etag") != headers["If-Match"]:
            return error(412, "conditionNotMet", "Precondition Failed")
        return forward(method, path, headers, body)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def respond(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        act = forward
        if self.command == "POST" and path.endswith("/jobs"):
            act = insert
        elif self.command == "GET" and "/jobs/" in path:
            act = get_job
        elif self.command == "PATCH":
            act = patch
        if DOWN and os.path.exists(DOWN):
            return self.hang_up()
        with lock:
            fault = CHANCE.choice(["request lost", "response lost", "503", "429"]) if CHANCE.random() < RATE else None
        if fault == "503":
            status, text = error(503, "backendError", "Error encountered during execution. Retrying may solve the problem.")
        elif fault == "429":
            status, text = error(429, "rateLimitExceeded", "Exceeded rate limits")
        elif fault == "request lost":
            return self.hang_up()
        else:
            status, text = act(self.command, self.path, self.headers, body)
            if fault == "response lost":
                return self.hang_up()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
