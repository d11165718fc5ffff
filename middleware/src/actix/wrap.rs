//! What all middleware of this crate shares: it stands around a service, and is made once for all workers.

use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use futures::future::{LocalBoxFuture, Ready, ready};

/// The answer of a service, or one in its place.
pub type Answering<B> = LocalBoxFuture<'static, Result<ServiceResponse<EitherBody<B>>, Error>>;

/// What stands around a service; its clones share what they know.
pub trait Around: Clone + 'static {
    /// Answers a request, by the service or in its place.
    fn around<S, B>(&self, request: ServiceRequest, service: Rc<S>) -> Answering<B>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static;
}

/// Middleware for an app, scope or resource.
#[derive(Clone, Debug)]
pub struct Middleware<A> {
    around: A,
}

impl<A: Around> Middleware<A> {
    /// Middleware that does what this guard, detection or site says.
    pub fn new(around: A) -> Self {
        Self { around }
    }
}

impl<A, S, B> Transform<S, ServiceRequest> for Middleware<A>
where
    A: Around,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Wrapped<A, S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Wrapped { around: self.around.clone(), service: Rc::new(service) }))
    }
}

/// A service with middleware around it.
#[derive(Debug)]
pub struct Wrapped<A, S> {
    around: A,
    service: Rc<S>,
}

impl<A, S, B> Service<ServiceRequest> for Wrapped<A, S>
where
    A: Around,
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Answering<B>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        self.around.around(request, Rc::clone(&self.service))
    }
}
