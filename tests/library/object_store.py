"""A stand-in for S3: a real HTTP server that keeps objects in memory, as far as music and lists need it."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

#: When every object was written.
_DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


class ObjectStore(ThreadingHTTPServer):
    """Objects by "bucket/key", and the ranges that were read."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.read_bytes = 0
        self.failing: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectStore

    def log_message(self, *_: object) -> None:  # silence
        pass

    def _target(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path).lstrip("/"), query

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        key, _ = self._target()
        if key in self.server.objects:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.objects[key])))
            self.send_header("Last-Modified", _DATE.strftime("%a, %d %b %Y %H:%M:%S GMT"))
            self.send_header("ETag", '"1"')
            self.end_headers()
        else:
            is_bucket = key and "/" not in key and any(name.startswith(f"{key}/") for name in self.server.objects)
            self._answer(200 if is_bucket else 404)

    def do_GET(self) -> None:
        key, query = self._target()
        if "list-type" in query:
            self._answer(200, self._listing(key.rstrip("/"), query), Content_Type="application/xml")
        elif key in self.server.failing:
            self._answer(403, b"<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>")
        elif key not in self.server.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>")
        else:
            self._send_object(self.server.objects[key])

    def _send_object(self, content: bytes) -> None:
        wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2]) if wanted and wanted[2] else len(content), len(content) - 1)
        part = content[first : last + 1]
        self.server.read_bytes += len(part)
        extent = {"Content_Range": f"bytes {first}-{last}/{len(content)}"} if wanted else {}
        self._answer(206 if wanted else 200, part, ETag='"1"', **extent)

    def _listing(self, bucket: str, query: dict[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        keys = sorted(name.removeprefix(f"{bucket}/") for name in self.server.objects if name.startswith(f"{bucket}/"))
        files, folders = [], []
        for key in (key for key in keys if key.startswith(prefix)):
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.append(prefix + rest.partition(delimiter)[0] + delimiter)
            else:
                files.append(key)
        entries = [
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[f'{bucket}/{key}'])}</Size>"
            f"<LastModified>{_DATE:%Y-%m-%dT%H:%M:%S}.000Z</LastModified><ETag>&quot;1&quot;</ETag></Contents>"
            for key in files
        ]
        entries += [
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in dict.fromkeys(folders)
        ]
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>false</IsTruncated>'
            f"<KeyCount>{len(entries)}</KeyCount><Prefix>{escape(prefix)}</Prefix>{''.join(entries)}</ListBucketResult>"
        ).encode()

    def do_PUT(self) -> None:
        key, query = self._target()
        content = self._body()
        if "partNumber" in query:
            self.server.parts.setdefault(key, {})[int(query["partNumber"])] = content
        else:
            self.server.objects[key] = content
        self._answer(200, ETag='"1"')

    def do_POST(self) -> None:
        key, query = self._target()
        self._body()
        if "uploads" in query:
            answer = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        else:
            parts = self.server.parts.pop(key)
            self.server.objects[key] = b"".join(parts[number] for number in sorted(parts))
            answer = '<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>'
        self._answer(200, answer.encode(), Content_Type="application/xml")

    def _body(self) -> bytes:
        """What was sent; newer clients send it in signed chunks of their own (aws-chunked)."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        content = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            length = int(size.split(b";")[0], 16)
            if not length:
                break
            content, body = content + body[:length], body[length + 2 :]
        return content
