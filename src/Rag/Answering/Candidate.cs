using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>A sentence that may answer, in its passage.</summary>
internal sealed class Candidate
{
    internal required Passage Passage { get; init; }

    /// <summary>The sentence's number in its passage.</summary>
    internal required int Index { get; init; }

    /// <summary>What the ranking looks at; see <see cref="CandidateFeatures"/>.</summary>
    internal required double[] Features { get; init; }

    /// <summary>How well it answers beside the other candidates: any number, greater is better.</summary>
    internal double Score { get; set; }

    /// <summary>The probability that it answers the question at all.</summary>
    internal double Probability { get; set; }

    internal PassageSentence Sentence => Passage.Sentences[Index];

    internal TextSpan Span => Sentence.Span;
}
