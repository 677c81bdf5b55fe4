//! The words that rules know, in lower case. Only lists: what they decide is written where they are used.

use super::words::Words;

/// A number behind one of these is a code, not a count.
pub(super) static CODES: Words = Words::new(&[
    "http", "https", "status", "statuscode", "code", "errno", "errcode", "errorcode", "retcode", "returncode",
    "sqlstate", "signal", "exit", "exited", "exitcode", "hresult", "ntstatus", "winerror", "alert", "rc", "tls", "ssl",
    "curl",
]);

/// A text with the shape of an SQLSTATE behind one of these is one.
pub(super) static SQL_STATES: Words = Words::new(&["sqlstate", "code", "state"]);

/// A three-digit number behind one of these is an HTTP status, unless a noun follows.
pub(super) static ANSWERS: Words = Words::new(&["returned", "responded", "answered", "replied", "response"]);

/// `request failed (503)`: a 4xx or 5xx in parentheses behind one of these is a status.
pub(super) static FAILURES: Words = Words::new(&["error", "failed", "failure", "refused", "rejected", "request"]);

/// Words that may follow a status without being what was counted.
pub(super) static AFTER_STATUS: Words = Words::new(&[
    "after", "and", "at", "because", "but", "by", "during", "error", "for", "from", "in", "instead", "on", "response",
    "status", "to", "via", "when", "while", "with",
]);

/// A size in parentheses behind one of these is part of a type.
pub(super) static SIZED_TYPES: Words = Words::new(&[
    "varying", "varchar", "nvarchar", "char", "character", "numeric", "decimal", "bit", "varbit", "binary", "varbinary",
]);

/// Between a naming word and its value these say nothing.
pub(super) static FILLERS: Words = Words::new(&["is", "was", "of", "with", "number", "some", "the", "to"]);

/// A quoted text behind (or before) one of these is a name in somebody's code or schema.
pub(super) static NAMING: Words = Words::new(&[
    "action", "aggregate", "algorithm", "arg", "argument", "attribute", "backend", "bucket", "cast", "charset",
    "cipher", "claim", "cluster", "codec", "collation", "collection", "column", "command", "component", "constraint",
    "consumer", "crate", "database", "domain",
    "driver", "encoding", "endpoint", "enum", "exchange", "extension", "feature", "field", "flag", "format", "function",
    "group", "handler", "header", "host", "hostname", "index", "job", "key", "keyspace", "keyword", "label", "language",
    "macro", "method", "metric", "middleware", "mode", "module", "namespace", "near", "operator", "option", "package", "param",
    "parameter", "permission", "phase", "pipeline", "plugin", "policy", "procedure", "property", "protocol", "provider",
    "publication", "queue",
    "relation", "role", "route", "schema", "scheme", "scope", "section", "sequence", "server", "service", "setting",
    "stage", "state", "step", "strategy", "struct", "subscription", "table", "tablespace", "tag", "target",
    "task", "template", "thread", "topic", "trait", "trigger",
    "type", "unit", "variable", "variant", "view",
]);

/// Names behind these are kept to the letter: their digits come from a schema or a source file.
pub(super) static EXACT: Words = Words::new(&["column", "constraint", "field", "function", "type", "variable"]);

/// A quoted text behind one of these is prose: it is read as part of the message.
pub(super) static PROSE: Words = Words::new(&[
    "cause", "code", "desc", "description", "detail", "details", "err", "error", "exception", "failure", "hint", "kind",
    "message", "msg", "panic", "reason", "source", "status", "title", "warning",
]);

/// The part before `_` that makes `.._code` and `.._status` one of an error, not of a country.
pub(super) static ERROR_PREFIXES: Words = Words::new(&[
    "err", "error", "exit", "grpc", "http", "response", "sql", "status", "wait",
]);

/// The value of `key=value` with such a key, or such a last part of it, varies whatever it looks like.
pub(super) static VARYING_KEYS: Words = Words::new(&[
    "account", "addr", "address", "amount", "client", "cursor", "customer", "date", "digest", "elapsed", "email",
    "etag", "guid", "hash", "id", "input", "ip", "login", "nonce", "pair", "passwd", "password", "peer", "price", "pwd",
    "q", "query", "remote", "search", "secret", "session", "sig", "signature", "span", "symbol", "time", "timestamp",
    "token", "trace", "ts", "uid", "user", "username", "uuid", "val", "value",
]);

/// Names of secrets: their values vary, and may have been replaced before they came here.
pub(super) static SECRETS: Words = Words::new(&[
    "apikey", "authorization", "cookie", "credential", "credentials", "jwt", "passcode", "passphrase", "passwd",
    "password", "pin", "pwd", "secret", "token",
]);

/// What makes a secret of a `key` behind it: `api_key`, `private-key`.
pub(super) static SECRET_KEYS: Words = Words::new(&[
    "access", "api", "auth", "encryption", "master", "private", "secret", "shared", "signing",
]);

/// Records that have an id: the digits right behind one, or behind it and a colon, are that id.
pub(super) static RECORDS: Words = Words::new(&[
    "account", "batch", "block", "chunk", "customer", "file", "id", "invoice", "item", "job", "line", "message", "msg",
    "order", "page", "product", "record", "req", "request", "row", "session", "task", "trade", "tx", "txn", "user",
]);

/// Things that run in numbers: the digits right behind one are its index, not part of its name.
pub(super) static INSTANCES: Words = Words::new(&[
    "attempt", "broker", "channel", "client", "conn", "connection", "consumer", "core", "cpu", "device", "disk", "fd",
    "gpu", "host", "instance", "node", "part", "partition", "peer", "pid", "pod", "process", "producer", "retry",
    "segment", "shard", "slot", "step", "stream", "test", "thread", "tid", "worker",
]);

/// Digits behind these letters are part of a name, however many: `sha256`, `rfc3339`, `x25519`.
pub(super) static DIGIT_NAMES: Words = Words::new(&[
    "aes", "base", "blake", "chacha", "cp", "crc", "curve", "ed", "es", "float", "h", "hs", "i", "int", "ipv", "iso",
    "md", "murmur", "poly", "ps", "rfc", "rs", "rsa", "secp", "sha", "u", "uint", "utf", "windows", "x", "xxh",
]);

/// Digits behind these letters and a dash are part of a name too: `UTF-8`, `CVE-2024-3094`, `ORA-00942`.
pub(super) static DASH_NAMES: Words = Words::new(&[
    "aes", "base", "bip", "chacha20", "cp", "crc", "cve", "eip", "erc", "err", "error", "hmac", "http", "iso", "kb",
    "md", "ora", "p", "pep", "pls", "poly", "rfc", "rsa", "rustsec", "sha", "sp2", "tls", "tns", "utf", "windows", "x",
]);

/// Names with digits first, or more than once.
pub(super) static ODD_NAMES: Words = Words::new(&[
    "1xx", "2fa", "2xx", "3des", "3xx", "4xx", "5xx", "8bit", "16bit", "32bit", "64bit", "secp256k1", "secp256r1",
    "v1alpha1", "v1alpha2", "v1beta1", "v1beta2", "v2beta1", "v2beta2", "blake2b512", "blake2s256", "ed25519", "i386",
    "x86",
]);

/// Ports that name a service although it shares its host's name with nothing that looks like a host (`kafka:29092`).
/// In order.
pub(super) const SERVICE_PORTS: &[u32] = &[
    21, 22, 25, 53, 80, 110, 143, 389, 443, 465, 587, 636, 993, 995, 1433, 1521, 1883, 2049, 2181, 2375, 2376, 2379,
    2380, 3000, 3001, 3100, 3306, 3389, 4000, 4222, 4317, 4318, 5000, 5001, 5044, 5432, 5433, 5601, 5671, 5672, 5984,
    6000, 6333, 6334, 6379, 6380, 6381, 6382, 6432, 6443, 6650, 7000, 7001, 7077, 7233, 7474, 7687, 7700, 8000, 8001,
    8008, 8080, 8081, 8082, 8083, 8084, 8085, 8086, 8088, 8089, 8090, 8123, 8125, 8200, 8300, 8428, 8443, 8500, 8529,
    8600, 8761, 8883, 8888, 9000, 9001, 9042, 9080, 9090, 9091, 9092, 9093, 9094, 9095, 9100, 9160, 9200, 9300, 9411,
    9443, 9876, 10000, 10250, 11211, 11434, 15432, 15672, 16379, 16686, 19092, 26257, 26379, 27017, 27018, 27019, 28015,
    29092, 29093, 33060, 50051, 61616,
];

/// Phrases of HTTP statuses from 400 on: before one of them a number is a status, whatever precedes it.
pub(super) const REASONS: &[&str] = &[
    "Bad Request", "Unauthorized", "Payment Required", "Forbidden", "Not Found", "Method Not Allowed", "Not Acceptable",
    "Proxy Auth", "Request Timeout", "Conflict", "Gone", "Length Required", "Precondition Failed", "Payload Too",
    "Content Too", "Request Entity", "URI Too", "Unsupported Media", "Range Not", "Requested Range", "Expectation",
    "I'm a teapot", "Misdirected", "Unprocessable", "Locked", "Failed Dependency", "Too Early", "Upgrade Required",
    "Precondition Required", "Too Many Requests", "Request Header", "Unavailable For", "Internal Server",
    "Not Implemented", "Bad Gateway", "Service Unavailable", "Gateway Time", "HTTP Version", "Variant Also",
    "Insufficient Storage", "Loop Detected", "Not Extended", "Network Authentication",
];

/// What may follow a source or configuration file's name before its line.
pub(super) static SOURCES: Words = Words::new(&[
    "c", "cc", "conf", "cpp", "cs", "css", "csv", "ex", "go", "h", "hpp", "html", "ini", "java", "js", "json", "kt",
    "lua", "md", "php", "proto", "py", "rb", "rs", "scala", "sh", "sql", "swift", "tera", "toml", "ts", "tsx", "txt",
    "xml", "yaml", "yml",
]);

/// Quoted files with these endings belong to the program; others are somebody's data.
pub(super) static PROGRAM_FILES: Words = Words::new(&[
    "cfg", "conf", "crt", "dll", "env", "ini", "json", "key", "lock", "pem", "proto", "rs", "so", "sql", "toml", "yaml",
    "yml",
]);

/// How media types start.
pub(super) const MEDIA: &[&str] = &["application/", "text/", "image/", "audio/", "video/", "multipart/", "font/"];

/// Units of time, and from `DATA_UNITS` on units of data.
pub(super) static UNITS: Words = Words::new(&[
    "ns", "us", "µs", "μs", "ms", "s", "m", "h", "d", "w", "y", "sec", "secs", "second", "seconds", "min", "mins",
    "minute", "minutes", "hr", "hrs", "hour", "hours", "day", "days", "week", "weeks", "month", "months", "year",
    "years", "nsec", "usec", "msec", "nanos", "micros", "millis", "nanosecond", "nanoseconds", "microsecond",
    "microseconds", "millisecond", "milliseconds",
    "b", "k", "g", "t", "kb", "mb", "gb", "tb", "pb", "kib", "mib", "gib", "tib", "pib", "bit", "bits", "byte", "bytes",
]);

/// The first of `UNITS` that is one of data.
pub(super) const DATA_UNITS: usize = 43;

/// Months, full and short.
pub(super) static MONTHS: Words = Words::new(&[
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
]);

/// Days of the week, full and short.
pub(super) static WEEKDAYS: Words = Words::new(&[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mon", "tue", "wed", "thu", "fri",
    "sat", "sun",
]);

/// Names of time zones behind a time.
pub(super) static ZONES: Words = Words::new(&[
    "utc", "gmt", "z", "cet", "cest", "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "bst", "jst", "msk",
    "ist",
]);
