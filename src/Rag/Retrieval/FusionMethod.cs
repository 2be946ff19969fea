namespace Kotonoha.Rag.Retrieval;

/// <summary>How the dense and the sparse ranking become one.</summary>
public enum FusionMethod
{
    /// <summary>Each list's scores are scaled to 0..1 by its least and greatest score, weighted and added; the winner of the ablation.</summary>
    MinMax,

    /// <summary>Reciprocal rank fusion with k = 60 and ranks from 1 (Cormack, Clarke and Büttcher 2009).</summary>
    ReciprocalRank,

    /// <summary>The dense ranking alone.</summary>
    DenseOnly,

    /// <summary>The BM25 ranking alone.</summary>
    SparseOnly,
}
