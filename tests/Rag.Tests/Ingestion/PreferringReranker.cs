using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Tests.Ingestion;

/// <summary>Gives 1 to passages with a word and 0, or another score, to the others.</summary>
internal sealed class PreferringReranker(string word, double least = 0) : IReranker
{
    public int Read { get; private set; }

    public Task<IReadOnlyList<double>> ScoreAsync(
        string question, IReadOnlyList<string> passages, CancellationToken cancellationToken = default)
    {
        Read = passages.Count;
        return Task.FromResult<IReadOnlyList<double>>(
            [.. passages.Select(passage => passage.Contains(word, StringComparison.Ordinal) ? 1 : least)]);
    }
}
