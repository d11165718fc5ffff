//! What a person sees when the development server starts.
