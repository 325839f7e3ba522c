//! Places of the relevant documents of a query, among all documents or the judged ones.

use search::{VectorsView, similarity_matrix};

use super::super::encoding::{Encoding, Vectors};
use super::super::error::EvaluationError;

/// Documents of equal score, of which at least one is relevant. Every order of them is equally good,
/// so metrics are means over all orders.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ties {
    /// Number of documents with a higher score.
    pub(super) higher: usize,
    /// Number of documents with this score.
    pub(super) equal: usize,
    /// Relevances, above 0, of the relevant ones.
    pub(super) relevances: Vec<f64>,
}

/// Counts documents by their scores for one query.
#[derive(Debug)]
struct Places {
    /// The distinct scores of relevant documents, highest first.
    scores: Vec<f32>,
    ties: Vec<Ties>,
}

impl Places {
    /// No document is counted yet. `relevant` are scores and relevances of the relevant documents.
    fn new(mut relevant: Vec<(f32, f64)>) -> Self {
        relevant.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut scores, mut ties) = (Vec::new(), Vec::new());
        for equal in relevant.chunk_by(|a, b| a.0 == b.0) {
            scores.push(equal[0].0);
            ties.push(Ties {
                higher: 0,
                equal: 0,
                relevances: equal.iter().map(|&(_, relevance)| relevance).collect(),
            });
        }
        Self { scores, ties }
    }

    fn count(&mut self, scores: &[f32]) {
        for &score in scores {
            let place = self.scores.partition_point(|&relevant| relevant > score);
            match self.ties.get_mut(place) {
                Some(ties) if self.scores[place] == score => ties.equal += 1,
                // Sums in `finish`.
                Some(ties) => ties.higher += 1,
                None => {}
            }
        }
    }

    fn finish(mut self) -> Vec<Ties> {
        let mut before = 0;
        for ties in &mut self.ties {
            ties.higher += before;
            before = ties.higher + ties.equal;
        }
        self.ties
    }
}

/// Vectors of some documents and their positions, ascending.
pub(super) struct Chunk {
    pub(super) documents: Vec<usize>,
    pub(super) vectors: Vectors,
}

impl Chunk {
    /// The scores of documents of this chunk for a query.
    pub(super) fn scores(
        &self,
        documents: &[usize],
        queries: &Vectors,
        query: usize,
    ) -> Result<Vec<f32>, EvaluationError> {
        let row = |document| self.documents.binary_search(document).ok();
        let rows: Vec<usize> = documents.iter().filter_map(row).collect();
        let vectors = self.vectors.gather(&rows);
        Ok(similarity_matrix(
            queries.range(query, query + 1)?,
            VectorsView::new(&vectors, queries.width())?,
            queries.similarity(),
        )?)
    }
}

/// Queries and documents that are compared at once.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) queries: usize,
    pub(super) documents: usize,
}

impl Block {
    /// `[256, 4096]` scores are 4 MiB, and normalizing their vectors is a small part of the work.
    pub(super) const DEFAULT: Self = Self {
        queries: 256,
        documents: 4096,
    };
}

/// The judged documents of a query, all in one chunk, with their relevances.
pub(super) type Judged = (Vec<usize>, Vec<f64>);

/// Ranks of documents for queries: `[queries, width]` vectors.
pub(super) struct Ranker<'a> {
    queries: &'a Vectors,
    places: Vec<Places>,
}

impl<'a> Ranker<'a> {
    /// Looks up the scores of the judged documents. `among_judged` counts only these.
    pub(super) fn new(
        queries: &'a Vectors,
        judged: &[Judged],
        chunk: &Chunk,
        among_judged: bool,
    ) -> Result<Self, EvaluationError> {
        let mut places = Vec::with_capacity(judged.len());
        for (number, (documents, relevances)) in judged.iter().enumerate() {
            let scores = chunk.scores(documents, queries, number)?;
            let relevant = scores.iter().copied().zip(relevances.iter().copied());
            let relevant = relevant.filter(|&(_, relevance)| relevance > 0.0);
            let mut query = Places::new(relevant.collect());
            if among_judged {
                query.count(&scores);
            }
            places.push(query);
        }
        Ok(Self { queries, places })
    }

    /// Counts documents for every query. Equal vectors have equal scores, also in
    /// [`new`](Self::new), so ties are exact.
    pub(super) fn count(
        &mut self,
        documents: &Vectors,
        block: Block,
        encoding: &mut Encoding<'_>,
    ) -> Result<(), EvaluationError> {
        for start in (0..documents.len()).step_by(block.documents) {
            let end = documents.len().min(start + block.documents);
            let candidates = documents.range(start, end)?;
            let similarity = self.queries.similarity();
            let blocks = self.places.chunks_mut(block.queries);
            for (places, first) in blocks.zip((0..).step_by(block.queries)) {
                encoding.check_interrupted()?;
                let queries = self.queries.range(first, first + places.len())?;
                let scores = similarity_matrix(queries, candidates, similarity)?;
                for (place, scores) in places.iter_mut().zip(scores.chunks_exact(end - start)) {
                    place.count(scores);
                }
            }
        }
        Ok(())
    }

    /// The ties of every query, best first.
    pub(super) fn finish(self) -> Vec<Vec<Ties>> {
        self.places.into_iter().map(Places::finish).collect()
    }
}
