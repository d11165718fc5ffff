//! A hundred thousand changed signatures and requests, none of which may be taken.

use super::*;
use crate::crypto::RandomStream;

const NOW: i64 = 1_795_000_000;
const ROUNDS: usize = 100_000;

/// A signed request that can be changed.
#[derive(Clone)]
struct Sample {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    has_other_key: bool,
}

impl Sample {
    fn with<T>(&self, then: impl FnOnce(&Request<'_>) -> T) -> T {
        let lines: Vec<Line<'_>> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let body = Some(Body::Bytes(&self.body));
        let request = Request { method: Some(&self.method), headers: &lines, body, ..Request::default() };
        then(&request.with_url(&self.url))
    }

    fn is_taken(&self, keys: &[Arc<VerificationKey>; 2], policy: &SignaturePolicy) -> bool {
        let key = &keys[usize::from(self.has_other_key)];
        let home = KeyLocation::read("https://agent.example", LocationKind::Directory);
        // A host with one key at one place, which it gives to whoever asks for that place.
        let find = |wanted: &WantedKey| {
            let is_there = wanted.location.is_none() || wanted.location == home;
            is_there.then(|| FoundKey { key: Arc::clone(key), source: None, is_registered: true })
        };
        self.with(|request| {
            verify(&request.into(), policy, &find, seconds(NOW)).iter().any(SignatureResult::is_verified)
        })
    }

    /// Everything that the signatures say and are over; equal for requests that differ in spelling only.
    fn meaning(&self) -> Vec<(String, Vec<u8>, Option<Option<KeyLocation>>)> {
        self.with(|request| {
            let one = |signature: fields::Labelled| {
                let lines = base::component_lines(&request.into(), &signature).ok()?;
                let location = agent::attributed(request.headers, &signature).ok();
                Some((base::with_parameters(&lines, &signature.parameters), signature.signature, location))
            };
            fields::read(request.headers, false).into_iter().flatten().filter_map(one).collect()
        })
    }

    fn value(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.headers.iter_mut().find(|(other, _)| other == name).unwrap().1
    }
}

fn sample(signer: &MessageSigner, components: &[&str], tag: &str, body: &[u8]) -> Sample {
    let mut sample = Sample {
        method: "POST".to_owned(),
        url: "https://shop.example/cart/items?id=5&size=L".to_owned(),
        headers: vec![
            ("signature-agent".to_owned(), br#"sig1="https://agent.example""#.to_vec()),
            ("content-type".to_owned(), b"application/json".to_vec()),
            ("content-digest".to_owned(), content_digest(body).into_bytes()),
        ],
        body: body.to_vec(),
        has_other_key: false,
    };
    let plan = SigningPlan {
        components: components.iter().map(|name| (*name).to_owned()).collect(),
        nonce: Some("n-0S6_WzA2Mj-0001".to_owned()),
        names_algorithm: true,
        ..SigningPlan::new([], tag, seconds(NOW), 60)
    };
    let fields = sample.with(|request| signer.sign(&request.into(), &plan)).unwrap();
    sample.headers.push(("signature-input".to_owned(), fields.signature_input.into_bytes()));
    sample.headers.push(("signature".to_owned(), fields.signature.into_bytes()));
    sample
}

/// Makes one random change.
fn change(sample: &mut Sample, random: &mut RandomStream) {
    let mut pick = |bound: usize| random.below(u32::try_from(bound).unwrap()) as usize;
    match pick(12) {
        // The signature's own bytes.
        0..=3 => {
            let field = String::from_utf8(sample.value("signature").clone()).unwrap();
            let (start, encoded) = field.split_once(':').unwrap();
            let mut bytes = crate::encoding::decode_base64(encoded.trim_end_matches(':')).unwrap();
            for _ in 0..=pick(2) {
                let position = pick(bytes.len());
                bytes[position] ^= 1 << pick(8);
            }
            let encoded = crate::encoding::base64url(&bytes).replace('-', "+").replace('_', "/");
            *sample.value("signature") = format!("{start}:{encoded}==:").into_bytes();
        }
        // A name or value within the parameters.
        4 => {
            let pairs = [
                ("sig1=", "sig2="),
                ("created=1795", "created=1794"),
                ("created=", "xreated="),
                ("expires=179500006", "expires=179500007"),
                ("expires=1795000060", "expires=1795086400"),
                ("keyid=\"", "keyid=\"x"),
                ("nonce=\"n", "nonce=\"m"),
                (";alg=\"ed25519\"", ""),
                (";alg=\"ed25519\"", ";alg=\"ecdsa-p256-sha256\""),
                ("web-bot-auth", "agent-browser-auth"),
                ("agent-payer-auth", "agent-browser-auth"),
                ("\"@method\" ", ""),
                ("\"@method\" \"@authority\"", "\"@authority\" \"@method\""),
                ("\"@method\"", "\"@method\" \"@scheme\""),
                ("\"@path\"", "\"@request-target\""),
                ("\"content-digest\"", "\"content-type\""),
                (";key=\"sig1\"", ""),
                (")", ");x"),
            ];
            let (from, to) = pairs[pick(pairs.len())];
            let field = String::from_utf8(sample.value("signature-input").clone()).unwrap();
            *sample.value("signature-input") = field.replacen(from, to, 1).into_bytes();
        }
        // Any byte of a header.
        5..=8 => {
            let names = ["signature-input", "signature", "signature-agent", "content-digest", "content-type"];
            let value = sample.value(names[pick(names.len())]);
            let position = pick(value.len());
            match pick(4) {
                0 => drop(value.remove(position)),
                1 => value.insert(position, b' ' + u8::try_from(pick(95)).unwrap()),
                2 => value[position] = u8::try_from(pick(256)).unwrap(),
                _ => {
                    let other = pick(value.len());
                    value.swap(position, other);
                }
            }
        }
        9 => {
            let mut url = std::mem::take(&mut sample.url).into_bytes();
            let position = "https://".len() + pick(url.len() - "https://".len());
            url[position] = b'!' + u8::try_from(pick(94)).unwrap();
            sample.url = String::from_utf8(url).unwrap();
        }
        10 => {
            let methods = ["GET", "PUT", "post", "DELETE", "POST ", "PATCH"];
            sample.method = methods[pick(methods.len())].to_owned();
        }
        _ => {
            let position = pick(sample.body.len());
            sample.body[position] ^= 1 << pick(8);
        }
    }
}

#[test]
fn no_changed_request_is_taken() {
    let signer = MessageSigner::generate(&[7; 32]).unwrap();
    let other = MessageSigner::generate(&[8; 32]).unwrap();
    let keys = [&signer, &other]
        .map(|signer| Arc::new(VerificationKey::from_public_key(signer.public_key().clone(), None)));
    let agent = r#""signature-agent";key="sig1""#;
    let all = ["@method", "@authority", "@path", "@query", "content-type", "content-digest"];
    let samples = [
        sample(&signer, &[&all[..], &[agent]].concat(), WEB_BOT_AUTH_TAG, b"{\"hello\": \"world\"}"),
        sample(
            &signer,
            &["@method", "@target-uri", "content-type", "content-digest", agent],
            WEB_BOT_AUTH_TAG,
            b"{}",
        ),
        sample(&signer, &[&all[..], &["signature-agent"]].concat(), PAYER_TAG, b"[1, 2, 3]"),
    ];
    let policy = SignaturePolicy::default();
    let meanings: Vec<_> = samples.iter().map(Sample::meaning).collect();
    for sample in &samples {
        assert!(sample.is_taken(&keys, &policy));
        let by_other_key = Sample { has_other_key: true, ..sample.clone() };
        assert!(!by_other_key.is_taken(&keys, &policy));
    }
    let mut random = RandomStream::new(&[9; 32], "changes to signed requests");
    let (mut changed, mut reached_the_key, mut tries) = (0, 0, 0);
    while changed < ROUNDS {
        tries += 1;
        let which = tries % samples.len();
        let mut mutant = samples[which].clone();
        change(&mut mutant, &mut random);
        // Spaces, folded hosts and the like are the same request in other words.
        let is_same = mutant.body == samples[which].body && mutant.meaning() == meanings[which];
        if is_same {
            continue;
        }
        changed += 1;
        assert!(
            !mutant.is_taken(&keys, &policy),
            "{} {} {:?}",
            mutant.method,
            mutant.url,
            mutant
                .headers
                .iter()
                .map(|(name, value)| (name, String::from_utf8_lossy(value)))
                .collect::<Vec<_>>()
        );
        let wanted = mutant.with(|request| wanted_keys(&request.into(), &policy, seconds(NOW)));
        reached_the_key += usize::from(!wanted.is_empty());
    }
    // Most changes must be refused by the cryptography, not by the parser.
    assert!(reached_the_key > ROUNDS / 2, "{reached_the_key}");
    assert!(tries < ROUNDS * 2, "{tries}");
}
