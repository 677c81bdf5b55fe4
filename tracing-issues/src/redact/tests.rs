//! What each rule hides and keeps, and what holds for any text. Every secret here is made up.

mod any_text;
mod kept;
mod names;
mod values;

use super::{REDACTED, Redactor};

/// Checks what is left of a text; `*` stands for what was redacted. Twice, since the second time changes nothing.
#[track_caller]
fn check(text: &str, expected: &str) {
    let redacted = Redactor::default().text(text).into_owned();
    assert_eq!(redacted.replace(REDACTED, "*"), expected, "of {text:?}");
    assert_eq!(Redactor::default().text(&redacted), redacted, "the second time");
}

#[test]
fn names_keep_their_place() {
    check("password=hunter2", "password=*");
    check("login failed: password=hunter2 user=bob", "login failed: password=* user=bob");
    check("password = hunter2", "password = *");
    check("password: hunter2", "password: *");
    check("password:hunter2, user:bob", "password:*, user:bob");
    check("pwd:x", "pwd:*");
    check("DB_PASSWORD=x", "DB_PASSWORD=*");
    check("PASSWORD=HUNTER2", "PASSWORD=*");
    check("export PGPASSWORD='x y'", "export PGPASSWORD='*'");
    check("token=abc,next=1", "token=*,next=1");
    check("token=abc, next=1", "token=*, next=1");
    check("(token=abc)", "(token=*)");
    check("[api_key=abc] [x=1]", "[api_key=*] [x=1]");
    check("api key: abc123", "api key: *");
    check("Access token: abc-123", "Access token: *");
    check("session id: 81af", "session id: *");
    check("X-Api-Key: abc", "X-Api-Key: *");
    check("stripeSecretKey=abc", "stripeSecretKey=*");
    check("client.secret -> abc", "client.secret -> *");
    check(":password => \"x\"", ":password => \"*\"");
    check("params[password]=x&a=1", "params[password]=*&a=1");
    check("headers[\"authorization\"] = \"x\"", "headers[\"authorization\"] = \"*\"");
    check("wrong password:\nhunter", "wrong password:\nhunter");
    check("password=12345", "password=*");
    check("login with password: swordfish for user bob", "login with password: * for user bob");
    check("invalid password: swordfish", "invalid password: *");
}

#[test]
fn values_may_contain_anything() {
    check("password=p@ss,word! user=bob", "password=* user=bob");
    check("password=a&b;c)d]e}f user=bob", "password=* user=bob");
    check("password=a\"b user=bob", "password=* user=bob");
    check("password='a b' user=bob", "password='*' user=bob");
    check("password=\"a b\" user=bob", "password=\"*\" user=bob");
    check("password='it's' user=bob", "password='*' user=bob");
    check("password='it''s' user=bob", "password='*' user=bob");
    check(r#"password="a\"b" user=bob"#, r#"password="*" user=bob"#);
    check(r#"password="a\\" user=bob"#, r#"password="*" user=bob"#);
    check("password=`a b` user=bob", "password=`*` user=bob");
    check("password: “a b” user", "password: “*” user");
    check("“password”: “a b”", "“password”: “*”");
    check("password=pä🦀ss user=bob", "password=* user=bob");
    check("password=\"a\nb\"", "password=\"*\"");
    check("password=\"cut", "password=\"*");
    check("{\"password\": \"cu", "{\"password\": \"*");
    check("password=[redacted]hunter2", "password=*");
    check("password=***hunter2", "password=*");
}

#[test]
fn json() {
    check(r#"{"password":"x","user":"bob"}"#, r#"{"password":"*","user":"bob"}"#);
    check(r#"{"user":"bob","password":"x"}"#, r#"{"user":"bob","password":"*"}"#);
    check(r#"{"accessToken" : "x"}"#, r#"{"accessToken" : "*"}"#);
    check(r#"{"pin":1,"password":12345,"a":1}"#, r#"{"pin":1,"password":*,"a":1}"#);
    check(r#"body: "{\"password\":\"x\",\"a\":1}""#, r#"body: "{\"password\":\"*\",\"a\":1}""#);
    check(r#""{\\\"password\\\":\\\"a b\\\",\\\"a\\\":1}""#, r#""{\\\"password\\\":\\\"*\\\",\\\"a\\\":1}""#);
    check(r#"{\"password\":\"a\\\"b\",\"a\":1}"#, r#"{\"password\":\"*\",\"a\":1}"#);
    check(r#"{"credentials":{"user":"a","key":"b"},"a":1}"#, r#"{"credentials":{*},"a":1}"#);
    check(r#"{"password":["a","b"],"a":1}"#, r#"{"password":*,"a":1}"#);
    check(r#"{"password":null,"token":"","a":1}"#, r#"{"password":null,"token":"","a":1}"#);
    check(r#"{"name":"password","value":"x"}"#, r#"{"name":"password","value":"*"}"#);
    check("{\"password\":\n  \"x\"}", "{\"password\":\n  \"*\"}");
    check("%22password%22%3A%22x%22%2C%22a%22%3A1", "%22password%22%3A%22*%22%2C%22a%22%3A1");
    check("{&quot;password&quot;:&quot;x&quot;}", "{&quot;password&quot;:&quot;*&quot;}");
    check(r"{\u0022password\u0022:\u0022x\u0022}", r"{\u0022password\u0022:\u0022*\u0022}");
}

#[test]
fn debug_of_rust() {
    check(r#"Login { user: "bob", password: "x" }"#, r#"Login { user: "bob", password: "*" }"#);
    check(r#"Login { token: Some("x"), a: 1 }"#, r#"Login { token: Some(*), a: 1 }"#);
    check(r#"Login { password: Secret("x"), a: 1 }"#, r#"Login { password: Secret(*), a: 1 }"#);
    check(r#"Login { password: Password { inner: "x" }, a: 1 }"#, r#"Login { password: Password { *}, a: 1 }"#);
    check("Login {\n    token: Some(\n        \"x\",\n    ),\n}", "Login {\n    token: Some(\n        *),\n}");
    check("Login { password: [104, 117], a: 1 }", "Login { password: *, a: 1 }");
    check(r#"Login { key: b"x", password: b"y" }"#, r#"Login { key: b"x", password: b"*" }"#);
    check(r#"[("authorization", "x"), ("a", "b")]"#, r#"[("authorization", "*"), ("a", "b")]"#);
    check(r#"{"authorization": "Bearer x", "host": "y"}"#, r#"{"authorization": "Bearer *", "host": "y"}"#);
    check(r#"Header { name: "cookie", value: "x=1; y=2" }"#, r#"Header { name: "cookie", value: "*" }"#);
    check(r#"args: ["--password", "x", "-v"]"#, r#"args: ["--password", "*", "-v"]"#);
    check(r#"Login { password: Wrapped("x"), a: 1 }"#, r#"Login { password: *, a: 1 }"#);
    check("password=Sword1 {\"a\": 1}", "password=* {\"a\": 1}");
    check("password: Some(\"cut", "password: Some(*");
}

#[test]
fn command_lines() {
    check("run --password x --verbose", "run --password * --verbose");
    check("run --password 'x y' --verbose", "run --password '*' --verbose");
    check("run --db-password=x", "run --db-password=*");
    check("run --token=x", "run --token=*");
    check("java -Ddb.password=x -jar a.jar", "java -Ddb.password=* -jar a.jar");
    check("curl -H 'Authorization: Bearer x' https://a.b/c", "curl -H 'Authorization: Bearer *' https://a.b/c");
    check("curl -H \"X-Api-Key: x\" https://a.b/c", "curl -H \"X-Api-Key: *\" https://a.b/c");
}

#[test]
fn headers() {
    check("Authorization: Bearer abc", "Authorization: Bearer *");
    check("authorization: bearer x\nhost: y", "authorization: bearer *\nhost: y");
    check("Authorization: Basic Ym9iOmh1bnRlcjI=", "Authorization: Basic *");
    check("Authorization: Token abc", "Authorization: Token *");
    check("Authorization: abc", "Authorization: *");
    check("Proxy-Authorization: Basic abc", "Proxy-Authorization: Basic *");
    check("Authorization: Digest username=\"bob\", response=\"abc\"", "Authorization: Digest *");
    check("got Bearer abc.def-123 from bob", "got Bearer * from bob");
    check("Cookie: sid=abc; theme=dark\nHost: x", "Cookie: *\nHost: x");
    check("Set-Cookie: sid=abc; Path=/; HttpOnly", "Set-Cookie: *");
    check("cookie=sid=abc; a=b status=400", "cookie=* status=400");
    check("Token 9944b09199c62bcf9418ad846dd0e4bb", "Token *");
    check("x-auth-token: Bearer abc", "x-auth-token: Bearer *");
    check("basic Ym9iOmh1bnRlcjI= refused", "basic * refused");
}

#[test]
fn addresses() {
    check("postgres://user:pw@host/db", "postgres://user:*@host/db");
    check("at redis://:pw@host:6379/0.", "at redis://:*@host:6379/0.");
    check("amqp://u:p@ss@mq/x", "amqp://u:*@mq/x");
    check("amqp://u:p/ss@mq/x", "amqp://u:*@mq/x");
    check("amqp://u:p@s/s@mq/x", "amqp://u:*@mq/x");
    check("amqp://u:p#ss@mq/x", "amqp://u:*@mq/x");
    check("mongodb+srv://u:p@a.b,c.d/x?y=z", "mongodb+srv://u:*@a.b,c.d/x?y=z");
    check("kafka://u:p@h1:9092,kafka://u:q@h2:9092", "kafka://u:*@h1:9092,kafka://u:*@h2:9092");
    check("\"https://bob:pw@a.b/@scope/x\"", "\"https://bob:*@a.b/@scope/x\"");
    check("https://a.b/c?token=x&d=1", "https://a.b/c?token=*&d=1");
    check("https://a.b/c?d=1&api_key=x", "https://a.b/c?d=1&api_key=*");
    check("(https://a.b/c?access_token=x): refused", "(https://a.b/c?access_token=*): refused");
    check("https://a.b/c?sv=1&sig=ab%2Bc%3D", "https://a.b/c?sv=1&sig=*");
    check("?X-Amz-Signature=0123abcd&x=1", "?X-Amz-Signature=*&x=1");
    check(
        "https://a.b/?u=postgres%3A%2F%2Fbob%3Apw%40host%2Fdb",
        "https://a.b/?u=postgres%3A%2F%2Fbob%3A*%40host%2Fdb",
    );
    check("u=a&password%3Dx%26b%3D1", "u=a&password%3D*%26b%3D1");
    check("postgres://bob:hunt", "postgres://bob:*");
}

#[test]
fn connection_strings() {
    check("Server=a;User Id=b;Password=c;Timeout=3", "Server=a;User Id=b;Password=*;Timeout=3");
    check("Server=a;Password=c d e;Timeout=3", "Server=a;Password=*;Timeout=3");
    check("Server=a;Pwd=c;", "Server=a;Pwd=*;");
    check("AccountName=a;AccountKey=abc+/==;EndpointSuffix=b", "AccountName=a;AccountKey=*;EndpointSuffix=b");
    check(
        "Endpoint=sb://a.b/;SharedAccessKeyName=r;SharedAccessKey=x=",
        "Endpoint=sb://a.b/;SharedAccessKeyName=r;SharedAccessKey=*",
    );
    check(
        "ScramLoginModule required username=\"a\" password=\"b\";",
        "ScramLoginModule required username=\"a\" password=\"*\";",
    );
    check("<password>x</password>", "<password>*</password>");
    check("<add key=\"Password\" value=\"x\"/>", "<add key=\"Password\" value=\"*\"/>");
    check("host=a user=b password=c dbname=d", "host=a user=b password=* dbname=d");
}

#[test]
fn private_keys() {
    let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----");
    check(&format!("a {begin}\nMIIEow\nabc=\n{end} b"), &format!("a {begin}*{end} b"));
    check(&format!("a {begin}\\nMIIEow\\nabc=\\n{end} b"), &format!("a {begin}*{end} b"));
    check(&format!("a {begin}\nMIIEowIBAAKCAQEA1234\nabc"), &format!("a {begin}*"));
    check(&format!("a {begin}\nMII"), &format!("a {begin}*"));
    check(&format!("{begin}a{end} {begin}b{end}"), &format!("{begin}*{end} {begin}*{end}"));
    check("-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\nabcd", "-----BEGIN PGP PRIVATE KEY BLOCK-----*");
    check("no \"-----BEGIN PRIVATE KEY-----\" in a.pem", "no \"-----BEGIN PRIVATE KEY-----\" in a.pem");
    check("-----BEGIN CERTIFICATE-----\nMIIEow\n", "-----BEGIN CERTIFICATE-----\nMIIEow\n");
}

#[test]
fn cards() {
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "2223003122003222",
        "4222222222222",
        "6212345678901232",
    ] {
        check(&format!("card {card} refused"), "card * refused");
        check(&format!("card {card}"), "card *");
        check(&format!("card_{card}, 1"), "card_*, 1");
        check(&format!("{card} 12"), "* 12");
    }
}

#[test]
fn keys_are_known_by_their_issuer() {
    // In two pieces each: scanners of repositories look for whole ones.
    for (prefix, rest) in [
        ("AKIA", "IOSFODNN7EXAMPLE"),
        ("ASIA", "IOSFODNN7EXAMPLE"),
        ("ghp_", "0123456789abcdefghijABCDEFGHIJ012345"),
        ("gho_", "0123456789abcdefghijABCDEFGHIJ012345"),
        ("github_pat_", "11AAAAAAA0abcdefghijkl_mnop"),
        ("glpat-", "abcdefghij0123456789"),
        ("xoxb-", "123456789012-abcdefABCDEF"),
        ("sk_live_", "0123456789abcdefghijABCD"),
        ("rk_live_", "0123456789abcdefghijABCD"),
        ("sk_test_", "0123456789abcdefghijABCD"),
        ("whsec_", "abcdefgh0123456789"),
        ("AIza", "SyA0123456789abcdefghijABCDEFGHIJ-_"),
        ("ya29.", "a0AfH6SMBx-abc_def"),
        ("GOCSPX-", "abcdefghij0123456789"),
        ("sk-", "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0u1v2w3x4"),
        ("sk-proj-", "abc123def456-ghi"),
        ("sk-ant-", "api03-abc123def456"),
        ("npm_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
        ("pypi-", "AgEIcHlwaS5vcmcCJDEyMzQ"),
        ("hf_", "aBcD1234eFgH5678iJkL"),
        ("SG.", "abcdefghijklmnop123456.abcdefghijklmnop"),
        ("SK", "0123456789abcdef0123456789abcdef"),
        ("dop_v1_", "0123456789abcdef0123456789abcdef"),
        ("shpat_", "0123456789abcdef0123456789abcdef"),
        ("hooks.slack.com/services/", "T00000000/B00000000/abcdefghijkl"),
        ("eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_def"),
    ] {
        check(&format!("sent {prefix}{rest} to bob"), "sent * to bob");
        check(&format!("\"{prefix}{rest}\","), "\"*\",");
        check(&format!("at {prefix}{rest}"), "at *");
        check(&format!("x={prefix}{rest}."), "x=*.");
    }
    let secret = format!("{}{}", "wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY");
    check(&format!("AKIA{} {secret} x", "IOSFODNN7EXAMPLE"), "* * x");
    check(&format!("/bot123456789:AA{}/getMe", "Fabc123DEF456ghi789JKL012mno345PQR"), "/bot123456789:*/getMe");
    check("eyJhbGciOiJIUzI1", "*");
    check("cut ghp_0123", "cut *");
}

#[test]
fn data_source_names() {
    check("user:pw@tcp(127.0.0.1:3306)/shop", "user:*@tcp(127.0.0.1:3306)/shop");
    check("user:p@s:s/w@unix(/run/x.sock)/shop", "user:*@unix(/run/x.sock)/shop");
    check("proxy=bob:pw@proxy:3128", "proxy=bob:*@proxy:3128");
    check("scott/tiger@//db:1521/x", "scott/*@//db:1521/x");
    check("jdbc:oracle:thin:scott/tiger@db:1521:x", "jdbc:oracle:thin:scott/*@db:1521:x");
    check("pull org/image@sha256:9f86d081884c of a/b@1.2.3:5", "pull org/image@sha256:9f86d081884c of a/b@1.2.3:5");
}

#[test]
fn flags_that_only_their_command_explains() {
    check("curl -u bob:pw -U 'a:b c' https://x", "curl -u bob:* -U 'a:*' https://x");
    // A quote that was never closed is no user: what stands in front of the colon may be secret, too.
    check("curl -u`\npassword=x\nuser:y", "curl -u`*");
    check("sqlplus \"token=x bob/y@z\"", "sqlplus \"*@z\"");
    check("curl -ubob:pw; mysql -ppw -h db", "curl -ubob:*; mysql -p* -h db");
    check(r#""curl" "--user" "bob:pw" "x""#, r#""curl" "--user" "bob:*" "x""#);
    check(r#"["docker", "login", "-p", "pw"]"#, r#"["docker", "login", "-p", "*"]"#);
    check("sqlplus scott/tiger@x", "sqlplus scott/*@x");
    check("docker run -p 80:80 -u 1:1", "docker run -p 80:80 -u 1:1");
}

#[test]
fn phrases_and_sentences() {
    check("password: correct horse staple\nuser: bob", "password: *\nuser: bob");
    check("passphrase=correct horse", "passphrase=*");
    check("the password is hunter2", "the password is *");
    check("password was 'a b' for bob", "password was '*' for bob");
    check("invalid value 'x' for '--token <T>'", "invalid value '*' for '--token <T>'");
    check("user identified by 'x'", "user identified by '*'");
    check("name=\"password\"\r\n\r\nx\r\n--", "name=\"password\"\r\n\r\n*\r\n--");
    check("\u{1b}[3mpassword\u{1b}[0m=\u{1b}[2mx", "\u{1b}[3mpassword\u{1b}[0m=\u{1b}[2m*");
}

/// Half of a secret has no looks: what is left of it at the end of a text that capture cut goes.
#[test]
fn what_a_cut_leaves_of_a_secret() {
    let long = "word ".repeat(1_000);
    for (tail, expected) in [
        ("card 4111 1111", "card 4111 1111"),
        ("card 411111111", "card *"),
        ("key a1b2c3d4e5", "key *"),
        ("at postgres://bob:hun", "at postgres://bob:*"),
        ("at https://bob:hun", "at https://bob:*"),
        ("ghp_0123", "*"),
        ("{\"password\": \"hun", "{\"password\": \"*"),
        ("nothing here", "nothing here"),
    ] {
        check(&format!("{long}{tail}…"), &format!("{long}{expected}…"));
    }
    check("order a1b2c3d4e5…", "order a1b2c3d4e5…");
}
