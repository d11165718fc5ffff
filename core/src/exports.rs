//! The export table: the only way in which a function reaches another language.
//!
//! Each line names a function of this module with one input struct and one output; bindings, declarations and
//! vector runners are all expanded from it.

pub use crate::agent::{
    AgentPolicy, AgentPolicyResult, Classification, FindAgents, FoundAgents, RequestFacts, RobotsTxt,
    RobotsTxtText, agent_policy, classify_request, find_agents, robots_txt,
};
pub use crate::decision::{Decide, Decision, decide};
#[cfg(feature = "full")]
pub use crate::first_party::{
    HashPagePath, PageClaims, PagePathHash, SignPageToken, SignSessionCookie, SignedPageToken,
    SignedSessionCookie, VerifiedSessionCookie, VerifyPageToken, VerifySessionCookie, hash_page_path,
    sign_page_token, sign_session_cookie, verify_page_token, verify_session_cookie,
};
#[cfg(feature = "full")]
pub use crate::guard::{CheckRequest, GuardOutcome, guard_request};
#[cfg(feature = "full")]
pub use crate::rules::{CheckRule, CheckedRule, EvaluateRules, RuleMatches, check_rule, evaluate_rules};
#[cfg(feature = "full")]
pub use crate::score::{
    Aggregate, AggregateSession, CheckEvents, CheckedEvents, MotionScore, ResolveAction, Score, ScoreMotion,
    ScoreSession, Verdict, aggregate_session, check_events, resolve_action, score_motion, score_session,
};
#[cfg(feature = "full")]
pub use crate::signature::{
    ParseKeyDirectory, ParsedKeyDirectory, SignHttpRequest, SignedHttpRequest, VerifiedSignatures,
    VerifyHttpSignature, parse_key_directory, sign_http_request, verify_http_signature,
};

#[cfg(feature = "full")]
pub use crate::challenge::{
    CheckHybrid, CheckHybridSpeed, CheckReasoning, CheckSolution, GenerateChallenge, GenerateHybrid,
    GenerateReasoning, GeneratedChallenge, GeneratedHybrid, GeneratedReasoning, HybridOutcome,
    InlineSolution, JudgedSpeed, ReasoningPassed, Solution, SolveChallenge, SolveInlineChallenge, Solved,
    check_hybrid, check_hybrid_speed, check_reasoning, check_solution, generate_challenge, generate_hybrid,
    generate_reasoning, solve_challenge, solve_inline_challenge,
};
#[cfg(feature = "full")]
pub use crate::token::{
    Claims, GenerateKey, Jwk, Jwks, KeyThumbprint, PublicKeys, SignToken, SignedToken, Thumbprint,
    VerifyToken, generate_key, public_keys, sign_token, thumbprint, verify_token,
};

/// Calls `$generate!` with every operation that other languages can call.
#[cfg(feature = "full")]
#[macro_export]
macro_rules! for_each_export {
    ($generate:ident) => {
        $generate! {
            /// Generate a challenge: the half that the server keeps and the half that it shows.
            ///
            /// The kept half holds the answers and must never leave the server.
            generate_challenge(GenerateChallenge) -> GeneratedChallenge, js = "generateChallenge";
            /// Solve a speed challenge's problems, a standard challenge's puzzle or a page's embedded challenge.
            solve_challenge(SolveChallenge) -> Solution, js = "solveChallenge";
            /// Judge an answer to a challenge that has just been taken out of its store.
            ///
            /// The error's message is the reason as it goes to the client.
            check_solution(CheckSolution) -> Solved, js = "checkSolution";
            /// Solve the challenge in a 403 body or a token answer and give the headers for the retry.
            solve_inline_challenge(SolveInlineChallenge) -> InlineSolution, js = "solveInlineChallenge";
            /// Generate a reasoning challenge: three questions in natural language and the answers to keep.
            ///
            /// The kept half holds the answers and must never leave the server.
            generate_reasoning(GenerateReasoning) -> GeneratedReasoning, js = "generateReasoning";
            /// Judge answers to a reasoning challenge that has just been taken out of its store.
            ///
            /// The error's message is the reason as it goes to the client.
            check_reasoning(CheckReasoning) -> ReasoningPassed, js = "checkReasoning";
            /// Generate a hybrid challenge: speed and reasoning under one id.
            ///
            /// The kept half holds the answers and must never leave the server.
            generate_hybrid(GenerateHybrid) -> GeneratedHybrid, js = "generateHybrid";
            /// Judge the speed part of a hybrid challenge ahead of its reasoning part.
            check_hybrid_speed(CheckHybridSpeed) -> JudgedSpeed, js = "checkHybridSpeed";
            /// Judge both parts of a hybrid challenge that has just been taken out of its store.
            check_hybrid(CheckHybrid) -> HybridOutcome, js = "checkHybrid";
            /// Generate a private ES256 key from 32 random bytes.
            generate_key(GenerateKey) -> Jwk, js = "generateKey";
            /// Make the publishable key set of ES256 keys, without their private parts.
            public_keys(PublicKeys) -> Jwks, js = "publicKeys";
            /// Compute the RFC 7638 thumbprint of a key.
            thumbprint(Thumbprint) -> KeyThumbprint, js = "thumbprint";
            /// Sign claims as a token: ES256 with a private key, HS256 with a secret.
            sign_token(SignToken) -> SignedToken, js = "signToken";
            /// Verify a token offline against a key set or a secret and return its claims.
            verify_token(VerifyToken) -> Claims, js = "verifyToken";
            /// Checks a batch of browser events as a server would, before sending it.
            check_events(CheckEvents) -> CheckedEvents, js = "checkEvents";
            /// Aggregates a session's browser events to the signals that scoring takes.
            aggregate_session(AggregateSession) -> Aggregate, js = "aggregateSession";
            /// Scores a session from its signals or from opinions computed before.
            score_session(ScoreSession) -> Score, js = "scoreSession";
            /// Judges features of movement by the learned model: how likely a tool's.
            score_motion(ScoreMotion) -> MotionScore, js = "scoreMotion";
            /// Resolves a score to a verdict with its action.
            resolve_action(ResolveAction) -> Verdict, js = "resolveAction";
            /// Check the expression of a rule and give its syntax tree, or the place of its fault.
            check_rule(CheckRule) -> CheckedRule, js = "checkRule";
            /// Evaluate rules over what is known about a session.
            evaluate_rules(EvaluateRules) -> RuleMatches, js = "evaluateRules";
            /// Classify one request: person, bot or agent, and how far its identity is proven.
            classify_request(RequestFacts) -> Classification, js = "classifyRequest";
            /// Find agents in the catalogue: who runs them, what for, and how they can be verified.
            find_agents(FindAgents) -> FoundAgents, js = "findAgents";
            /// Write a robots file from a choice of purposes and agents.
            robots_txt(RobotsTxt) -> RobotsTxtText, js = "robotsTxt";
            /// Make a policy from a choice of purposes and agents.
            agent_policy(AgentPolicy) -> AgentPolicyResult, js = "agentPolicy";
            /// Verify the HTTP message signatures (RFC 9421) of a request: Web Bot Auth and the Trusted Agent Protocol.
            verify_http_signature(VerifyHttpSignature) -> VerifiedSignatures, js = "verifyHttpSignature";
            /// Sign a request by Web Bot Auth and give the headers to add to it.
            sign_http_request(SignHttpRequest) -> SignedHttpRequest, js = "signHttpRequest";
            /// Read and check the document in which a signer publishes its keys.
            parse_key_directory(ParseKeyDirectory) -> ParsedKeyDirectory, js = "parseKeyDirectory";
            /// Decide what to do with a request by a policy and everything that is known about it.
            decide(Decide) -> Decision, js = "decide";
            /// Check one request as a detection guard does: who asks, whether it passes, and what it is answered.
            ///
            /// A site keeps a `DetectionGuard` instead, which also counts each visitor's requests.
            guard_request(CheckRequest) -> GuardOutcome, js = "guardRequest";
            /// Sign the cookie by which a site knows a visitor's session again.
            sign_session_cookie(SignSessionCookie) -> SignedSessionCookie, js = "signSessionCookie";
            /// Verify a session cookie and return its session token.
            verify_session_cookie(VerifySessionCookie) -> VerifiedSessionCookie, js = "verifySessionCookie";
            /// Sign the token by which one page view may send events through the site.
            sign_page_token(SignPageToken) -> SignedPageToken, js = "signPageToken";
            /// Verify a page token and return what it says.
            verify_page_token(VerifyPageToken) -> PageClaims, js = "verifyPageToken";
            /// Hash a path for a page hit with the private key; raw paths never leave a site.
            hash_page_path(HashPagePath) -> PagePathHash, js = "hashPagePath";
        }
    };
}
