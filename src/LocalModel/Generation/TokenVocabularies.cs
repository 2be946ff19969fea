using System.Text;
using Kotonoha.Grammars;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>Says what each token of a tokenizer adds to the text, as bytes, for the masks of grammars.</summary>
internal static class TokenVocabularies
{
    // Stands for the text before a token; no decoder changes it.
    private const string Before = "x";

    /// <summary>
    /// The vocabulary of a tokenizer. Special tokens are control tokens; further added tokens are both text and control tokens.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="endTokens">The tokens that end a text.</param>
    /// <param name="size">The number of token ids, where the model has more than the tokenizer.</param>
    /// <exception cref="TokenizerException">What a token adds depends on the tokens behind it, so that no mask can be made.</exception>
    public static TokenVocabulary Of(Tokenizer tokenizer, IEnumerable<int> endTokens, int? size = null)
    {
        var steps = Steps(tokenizer.Decoder).ToArray();
        bool isByteLevel = steps is [ByteLevelDecoder, ..];
        RequireNoLookahead(steps);
        var special = tokenizer.AddedTokens.ToDictionary(t => t.Id, t => t.Content);
        return TokenVocabulary.Create(size ?? tokenizer.VocabularySize, PieceOf, endTokens);

        TokenPiece PieceOf(int id)
        {
            string? control = special.GetValueOrDefault(id);
            if (tokenizer.TokenForDecoding(id, skipSpecialTokens: true) is not { } spelling)
                return control is null ? TokenPiece.Unusable : TokenPiece.Control(control);
            if (isByteLevel)
                return new TokenPiece(BytesOfByteLevel(spelling), control);
            if (ByteTokens.ValueOf(spelling) is >= 0x80 and var value && Array.Exists(steps, s => s is ByteFallbackDecoder))
                return new TokenPiece(new byte[] { (byte)value }, control);
            return new TokenPiece(Decode(tokenizer, spelling, isFirst: false), control, Decode(tokenizer, spelling, isFirst: true));
        }
    }

    private static byte[] Decode(Tokenizer tokenizer, string spelling, bool isFirst)
    {
        var output = new StringBuilder();
        var stream = tokenizer.StartDecoding(output, incremental: true);
        if (!isFirst)
        {
            stream.Push(Before, endsToken: true);
            output.Clear();
        }

        stream.Push(spelling, endsToken: true);
        stream.Finish();
        return Encoding.UTF8.GetBytes(output.ToString());
    }

    private static byte[] BytesOfByteLevel(string spelling)
    {
        var bytes = new byte[spelling.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            int value = ByteAlphabet.ToByte(spelling[i]);
            if (value < 0)
                return Encoding.UTF8.GetBytes(spelling);
            bytes[i] = (byte)value;
        }

        return bytes;
    }

    private static IEnumerable<ITokenDecoder> Steps(ITokenDecoder? decoder) => decoder switch
    {
        null => [],
        SequenceDecoder sequence => sequence.Parts.SelectMany(Steps),
        _ => [decoder],
    };

    private static void RequireNoLookahead(ITokenDecoder[] steps)
    {
        bool fused = false, bytes = false;
        foreach (var (index, step) in steps.Index())
        {
            string? problem = step switch
            {
                ByteLevelDecoder
                    when index > 0 || steps.Any(s => s is not (ByteLevelDecoder or FuseDecoder)) => "ByteLevel together with others",
                BpeDecoder => "BPEDecoder, whose blanks depend on the token behind",
                CtcDecoder => "CTC, which joins equal neighbours",
                StripDecoder { Right: > 0 } when fused => "Strip at the end of the text",
                StripDecoder when !fused && bytes => "Strip of single tokens behind ByteFallback",
                ReplaceDecoder { Pattern: { IsRegex: true } or { Text.Length: not 1 } } when fused => "Replace across tokens",
                ByteLevelDecoder or ByteFallbackDecoder or FuseDecoder or MetaspaceDecoder or ReplaceDecoder or StripDecoder
                    or WordPieceDecoder => null,
                _ => step.GetType().Name,
            };
            if (problem is not null)
                throw new TokenizerException($"Constrained decoding cannot tell what each token of this tokenizer adds to the text: its "
                    + $"decoder has {problem}. Generate without a constraint, or use a model with another tokenizer.");
            fused |= step is FuseDecoder;
            bytes |= step is ByteFallbackDecoder;
        }
    }
}
