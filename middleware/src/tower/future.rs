//! The future of a guarded call: wait for the guard if it has to wait, then for the service.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::GuardBody;
use crate::guard::{Admission, Answer, Check, Guard, Outcome};

pin_project! {
    /// Ends with the service's answer, or with the guard's.
    ///
    /// Nothing is allocated for a request that the guard admits without waiting.
    pub struct GuardFuture<G: Guard, S: Service<Request<B>>, B> {
        #[pin]
        step: Step<G::Pass, S, S::Future, B>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<P, S, F, B> {
        Waiting { outcome: BoxFuture<'static, Outcome<P>>, call: Option<(S, Request<B>)> },
        Calling { #[pin] answer: F },
        Refused { answer: Option<Box<Answer>> },
    }
}

impl<G: Guard, S: Service<Request<B>>, B> GuardFuture<G, S, B> {
    pub(super) fn new(check: Check<G::Pass>, service: S, request: Request<B>) -> Self {
        let step = match check {
            Check::Done(outcome) => next(outcome, service, request),
            Check::Waiting(outcome) => Step::Waiting { outcome, call: Some((service, request)) },
        };
        Self { step }
    }
}

impl<G, S, B, R> Future for GuardFuture<G, S, B>
where
    G: Guard,
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<GuardBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            let following = match step.as_mut().project() {
                StepProjection::Waiting { outcome, call } => {
                    let outcome = ready!(outcome.as_mut().poll(context));
                    // Taken once: the step is replaced below.
                    let Some((service, request)) = call.take() else { return Poll::Pending };
                    next(outcome, service, request)
                }
                StepProjection::Calling { answer } => {
                    return answer.poll(context).map_ok(|response| response.map(Either::Left));
                }
                StepProjection::Refused { answer } => {
                    let Some(answer) = answer.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(answer.map(|body| Either::Right(Full::new(body)))));
                }
            };
            step.set(following);
        }
    }
}

/// Calls the service with what the guard learned, or keeps the guard's answer.
fn next<P, S, B>(outcome: Outcome<P>, mut service: S, mut request: Request<B>) -> Step<P, S, S::Future, B>
where
    P: Clone + Send + Sync + 'static,
    S: Service<Request<B>>,
{
    match outcome {
        Ok(Admission { value, decision }) => {
            if let Some(value) = value {
                request.extensions_mut().insert(value);
            }
            request.extensions_mut().insert(decision);
            Step::Calling { answer: service.call(request) }
        }
        Err(answer) => Step::Refused { answer: Some(answer) },
    }
}
