using Kotonoha.LocalModel.Tokenizers.PostProcessors;

namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>A tokenizer's pipeline around a SentencePiece model.</summary>
internal static class SentencePieceTokenizer
{
    /// <summary>Puts the pipeline together.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="addBegin">Whether every text gets the begin token.</param>
    /// <param name="addEnd">Whether every text gets the end token.</param>
    /// <exception cref="TokenizerException">The vocabulary is broken, or lacks a token that is to be added.</exception>
    public static TokenizerParts Build(SentencePieceSpec spec, bool addBegin, bool addEnd)
    {
        var model = new SentencePieceModel(spec);
        var pieces = model.Pieces.Pieces;
        return new TokenizerParts
        {
            Normalizer = new SentencePieceNormalizer(spec, model.Pieces.UserDefined),
            Model = model,
            PostProcessor = BeginAndEnd(addBegin ? Added(spec.BeginPiece, "begin") : null, addEnd ? Added(spec.EndPiece, "end") : null),
            Decoder = new SentencePieceDecoder(spec, model.Pieces),
            AddedTokens = [.. Enumerable.Range(0, pieces.Length)
                .Where(id => pieces[id].Type is PieceType.Control or PieceType.Unknown)
                .Select(id => new AddedToken(id, pieces[id].Text) { IsSpecial = true })],
        };

        (string, int) Added(string? piece, string role)
            => piece is not null && model.Vocabulary.TryGetId(piece, out int id) ? (piece, id)
                : throw new TokenizerException($"The tokenizer adds a {role} token, but its vocabulary has none. Check the file, or turn it off there.");
    }

    /// <summary>A post-processor that puts a token before and one behind every text; null for neither.</summary>
    public static IPostProcessor? BeginAndEnd((string Token, int Id)? begin, (string Token, int Id)? end)
    {
        if (begin is null && end is null)
            return null;
        var tokens = new List<TemplateSpecialToken>();
        List<TemplatePiece> single = [], pair = [];
        for (int sequence = 0; sequence < 2; sequence++)
        {
            if (begin is { } first)
                Add(first);
            (sequence == 0 ? single : pair).Add(new TemplatePiece(sequence, null, sequence));
            if (end is { } last)
                Add(last);
            if (sequence == 0)
                pair.AddRange(single);

            void Add((string Token, int Id) token)
            {
                (sequence == 0 ? single : pair).Add(new TemplatePiece(-1, token.Token, sequence));
                if (tokens.All(t => t.Name != token.Token))
                    tokens.Add(new TemplateSpecialToken(token.Token, [token.Id], [token.Token]));
            }
        }

        return new TemplatePostProcessor([.. single], [.. pair], tokens);
    }
}
