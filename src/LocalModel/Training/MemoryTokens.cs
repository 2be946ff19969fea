namespace Kotonoha.LocalModel.Training;

/// <summary>Token ids in an array.</summary>
internal sealed class MemoryTokens : TokenSource
{
    private readonly int[] ids;

    public MemoryTokens(int[] ids, int vocabularySize)
    {
        this.ids = ids;
        VocabularySize = vocabularySize;
        ulong hash = TokenHash.Start;
        for (int i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)vocabularySize)
                throw new ArgumentException($"Token {i} has the id {ids[i]}, outside the vocabulary of {vocabularySize}.", nameof(ids));
            hash = TokenHash.Add(hash, ids[i]);
        }

        Fingerprint = hash;
    }

    public override long Count => ids.Length;

    public override int VocabularySize { get; }

    public override ulong Fingerprint { get; }

    public override void CopyTo(long start, Span<int> destination)
    {
        CheckRange(start, destination.Length);
        ids.AsSpan((int)start, destination.Length).CopyTo(destination);
    }
}
