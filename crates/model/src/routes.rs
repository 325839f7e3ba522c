//! The routes of a model with a Router, and which of them a text takes; another model has one.

use crate::error::Result;
use crate::prompt::Prompt;

/// What a text is for, by which a Router chooses its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteTask {
    /// Not stated, as with `encode` of sentence-transformers.
    None,
    /// As with `encode_query`.
    Query,
    /// As with `encode_document`.
    Document,
}

impl RouteTask {
    /// In the order of preference for what a model with several routes says about itself.
    const ALL: [Self; 3] = [Self::Document, Self::None, Self::Query];

    /// The task of the texts with a prompt.
    pub(crate) fn of(prompt: &Prompt) -> Self {
        match prompt {
            Prompt::Query => Self::Query,
            Prompt::Document => Self::Document,
            Prompt::Default | Prompt::Named(_) | Prompt::Text(_) => Self::None,
        }
    }

    /// The name of the task in sentence-transformers.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Query => Some("query"),
            Self::Document => Some("document"),
        }
    }

    /// A text with this task, in messages.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::None => "text that is neither query nor document",
            Self::Query => "query",
            Self::Document => "document",
        }
    }
}

/// The routes that a text can take, with their names, and the route of each task. A model without a Router has one
/// without a name.
#[derive(Clone, Debug)]
pub(crate) struct Routes<T> {
    /// At least one, the main one first.
    routes: Vec<(String, T)>,
    /// Of every task, in the order of [`RouteTask::ALL`].
    of_task: [Option<usize>; 3],
}

impl<T> Routes<T> {
    /// Of a model without a Router.
    pub(crate) fn one(route: T) -> Self {
        Self {
            routes: vec![(String::new(), route)],
            of_task: [Some(0); 3],
        }
    }

    /// The named route that `of_task` gives for each task; `None` if it gives none for any.
    pub(crate) fn new(of_task: impl Fn(RouteTask) -> Option<(String, T)>) -> Option<Self> {
        let mut routes: Vec<(String, T)> = Vec::new();
        let of_task = RouteTask::ALL.map(|task| {
            let (name, route) = of_task(task)?;
            let known = routes.iter().position(|(known, _)| *known == name);
            Some(known.unwrap_or_else(|| {
                routes.push((name, route));
                routes.len() - 1
            }))
        });
        (!routes.is_empty()).then_some(Self { routes, of_task })
    }

    /// Every route as another type.
    pub(crate) fn try_map<U>(self, mut map: impl FnMut(&str, T) -> Result<U>) -> Result<Routes<U>> {
        let routes = self.routes.into_iter().map(|(name, route)| {
            let mapped = map(&name, route)?;
            Ok((name, mapped))
        });
        Ok(Routes {
            routes: routes.collect::<Result<_>>()?,
            of_task: self.of_task,
        })
    }

    /// The route of a task; `None` if the model has none for it.
    pub(crate) fn of(&self, task: RouteTask) -> Option<&T> {
        let place = RouteTask::ALL.iter().position(|known| *known == task)?;
        let (_, route) = self.routes.get(self.of_task[place]?)?;
        Some(route)
    }

    /// The route that stands for the model: that of documents, if there is one.
    pub(crate) fn main(&self) -> &T {
        &self.routes[0].1
    }

    /// All routes, with their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &(String, T)> {
        self.routes.iter()
    }
}
