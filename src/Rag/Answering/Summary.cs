namespace Kotonoha.Rag.Answering;

/// <summary>A summary of documents.</summary>
/// <param name="Text">The text, a sentence a line, with markers like <c>[1]</c> for the citations.</param>
/// <param name="WrittenBy">Who wrote its sentences.</param>
/// <param name="Citations">What the sentences rest on, verified literally; the index is the marker minus one.</param>
/// <param name="Passages">How many passages were read.</param>
/// <param name="Unsupported">How many sentences of the chat model were left out because no passage states them.</param>
public sealed record Summary(string Text, AnsweredBy WrittenBy, IReadOnlyList<Citation> Citations, int Passages, int Unsupported);

/// <summary>How documents are summarised.</summary>
public sealed record SummaryOptions
{
    /// <summary>The documents, or null for all.</summary>
    public IReadOnlyList<string>? Sources { get; init; }

    /// <summary>
    /// What the summary is to be about, in words of the documents, or null for what they are about. Only sentences that have these words,
    /// or stand under headings that do, come in.
    /// </summary>
    public string? Focus { get; init; }

    /// <summary>The most sentences (default 6).</summary>
    public int MaxSentences { get; init; } = 6;

    /// <summary>How much of the documents a chat model reads at once, as <see cref="Chunking.Chunker.Measure"/> counts (default
    /// 1,200).</summary>
    public int PromptBudget { get; init; } = 1200;

    /// <summary>The most tokens that a chat model writes at once (default 300).</summary>
    public int MaxOutputTokens { get; init; } = 300;

    /// <summary>The most passages that are read, spread evenly over the documents where there are more (default 2,000).</summary>
    public int MaxPassages { get; init; } = 2000;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxSentences);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(PromptBudget);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxOutputTokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxPassages);
    }
}
