using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tokenizers.Normalizers;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>Counts the words of a corpus as a pre-tokenizer cuts and spells them.</summary>
internal static class WordCounter
{
    public static Dictionary<string, long> Count(IEnumerable<string> texts, INormalizer? normalizer, IPreTokenizer? preTokenizer, CancellationToken cancellationToken)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        var buffer = new PieceBuffer();
        foreach (var text in texts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            buffer.Load(Tokenizer.WellFormed(text), 0, trackOffsets: preTokenizer?.NeedsOrigins ?? false);
            normalizer?.Normalize(buffer);
            preTokenizer?.PreTokenize(buffer);
            for (int piece = 0; piece < buffer.PieceCount; piece++)
                CollectionsMarshal.GetValueRefOrAddDefault(lookup, buffer.Piece(piece), out _)++;
        }

        return counts;
    }
}
