namespace Kotonoha.Rag.Chunking;

/// <summary>
/// How a document is cut. Sizes are counted as <see cref="Chunker.Measure"/> does (a CJK character is 1, any other a quarter, which is
/// about a token each way), or in the tokens of a <see cref="Counter"/>.
/// </summary>
public sealed record ChunkingOptions
{
    /// <summary>No chunk is larger than this (default 400).</summary>
    public int MaxSize { get; init; } = 400;

    /// <summary>A chunk takes in following blocks of its section while it is smaller than this (default 200).</summary>
    public int TargetSize { get; init; } = 200;

    /// <summary>When a block is cut, how many sentences of the piece before are repeated at the start of the next (default 1).</summary>
    public int OverlapSentences { get; init; } = 1;

    /// <summary>Counts sizes in the tokens of a model; null for <see cref="Chunker.Measure"/>.</summary>
    public TokenCounter? Counter { get; init; }

    /// <summary>What a chunk is made of.</summary>
    public ChunkUnit Unit { get; init; }

    /// <summary>
    /// Also cuts where the subject changes: between neighbouring sentences whose vectors are further apart than this share of the
    /// document's
    /// neighbours (.95: the widest twentieth of the gaps). Null (the default) for no such cuts. It needs an embedder that is not fitted on
    /// the documents.
    /// </summary>
    public double? SemanticBreaks { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSize, 16, nameof(MaxSize));
        ArgumentOutOfRangeException.ThrowIfNegative(TargetSize, nameof(TargetSize));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(TargetSize, MaxSize, nameof(TargetSize));
        ArgumentOutOfRangeException.ThrowIfNegative(OverlapSentences, nameof(OverlapSentences));
        if (!Enum.IsDefined(Unit))
            throw new ArgumentOutOfRangeException(nameof(Unit), Unit, "This unit is not known.");
        if (SemanticBreaks is { } share && share is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(SemanticBreaks), share, "A share lies between 0 and 1.");
    }

    /// <summary>Everything that decides how a document is cut.</summary>
    internal string Fingerprint => FormattableString.Invariant(
        $"{MaxSize}/{TargetSize}/{OverlapSentences}/{(int)Unit}/{Counter?.Name}/{SemanticBreaks}");
}

/// <summary>What a chunk is made of.</summary>
public enum ChunkUnit
{
    /// <summary>The blocks of a section: paragraphs, lists, tables, code by definition; as many as fit.</summary>
    Block,

    /// <summary>
    /// One sentence, item of a list, row of a table or line of code. Such chunks are found precisely;
    /// <see cref="Retrieval.SearchOptions.Surroundings"/> brings along what stands around them.
    /// </summary>
    Sentence,
}

/// <summary>Counts the tokens of a text, for example those of the model that will read it.</summary>
/// <param name="Name">Names the tokenizer: another name cuts all documents anew.</param>
/// <param name="Count">Counts a text's tokens without special ones; thread-safe.</param>
public sealed record TokenCounter(string Name, Func<string, int> Count);
