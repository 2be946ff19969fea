namespace Kotonoha.Tokenizers;

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
                : throw new TokenizerException(
                    $"The tokenizer adds a {role} token, but its vocabulary has none. Check the file, or turn it off there.");
    }

    /// <summary>A post-processor that puts a token before and one after every text; null for neither.</summary>
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

/// <summary>
/// Expresses in the components of tokenizer.json what a SentencePiece model does, as the converters of transformers do
/// (<c>convert_slow_tokenizer</c>): its byte-pair models become BPE with the merges that the scores imply, unigram models become Unigram.
/// What would make other tokens is an error.
/// </summary>
/// <remarks>
/// Two differences are those of the components themselves: Precompiled applies a model's rules to grapheme clusters, SentencePiece to any
/// run of characters; and the pieces of control symbols and bytes are found in the texts that Unigram sees. Neither is known to matter
/// except in odd texts.
/// </remarks>
internal static class SentencePieceConversion
{
    private const char Meta = '\u2581';

    // A model that keeps no blanks at the start of a text writes none there either.
    private const int MaxLeadingBlanks = 1 << 16;

    /// <summary>The pipeline of a SentencePiece model in other components; another pipeline as it is.</summary>
    /// <exception cref="TokenizerException">No components make the same tokens.</exception>
    public static TokenizerParts Convert(TokenizerParts parts)
    {
        if (parts.Model is not SentencePieceModel model)
            return parts;
        var (spec, vocabulary) = (model.Spec, model.Pieces);
        var pieces = vocabulary.Pieces;
        if (spec.Kind == SentencePieceKind.Word)
            throw Inexpressible("a model of whole words joins neighbouring unknown words into one token, and WordLevel does not");
        bool isUnigram = spec.Kind == SentencePieceKind.Unigram;
        AddedToken[] userDefined =
        [
            .. Enumerable.Range(0, pieces.Length).Where(id => pieces[id].Type == PieceType.UserDefined)
            .Select(id => new AddedToken(id, pieces[id].Text) { Normalized = true }),
        ];
        CheckUserDefined(spec, userDefined, isUnigram);
        var steps = Normalizers(spec);
        return parts with
        {
            Normalizer = steps.Count switch
            {
                0 => null,
                1 => steps[0],
                _ => new SequenceNormalizer([.. steps]),
            },
            PreTokenizer = isUnigram && BlanksBeginPieces(spec, vocabulary)
                ? new MetaspacePreTokenizer(Meta, PrependScheme.Never, Split: true)
                : null,
            Model = isUnigram ? Unigram(model) : BytePairs(model),
            Decoder = new SequenceDecoder([.. Decoders(spec)]),
            AddedTokens = isUnigram ? parts.AddedTokens : [.. parts.AddedTokens.Concat(userDefined).OrderBy(t => t.Id)],
        };
    }

    private static List<INormalizer> Normalizers(SentencePieceSpec spec)
    {
        var steps = new List<INormalizer>();
        char blank = spec.EscapeWhitespaces ? Meta : ' ';
        if (spec.CharsMap.Length > 0)
            steps.Add(
                new PrecompiledNormalizer(CharacterMap.Parse(spec.CharsMap)
                    ?? throw Inexpressible("its table of replacements is malformed")));
        bool hasPrefix = spec.AddDummyPrefix && !spec.TreatWhitespaceAsSuffix, hasSuffix = spec.AddDummyPrefix
            && spec.TreatWhitespaceAsSuffix;

        // Of blanks at the end those that the text spells as U+2581 go too; one that the model puts there stands also after a text of
        // nothing else.
        var blanks = spec.EscapeWhitespaces ? $"[ {Meta}]" : "[ ]";
        if (spec.RemoveExtraWhitespaces)
        {
            steps.Add(Replace(hasSuffix ? @"\A +" : $@"\A{blanks}+\z|\A +|(?<!{blanks}){blanks}+\z", ""));
            steps.Add(Replace(" {2,}", " "));
        }

        if (hasPrefix)
            steps.Add(new PrependNormalizer(blank.ToString()));
        if (hasSuffix)
            steps.Add(Replace(@"(?<=[\s\S])\z", blank.ToString()));
        if (hasSuffix && spec.RemoveExtraWhitespaces)
            steps.Add(Replace($@"(?<!{blanks}){blanks}+\z", blank.ToString()));
        if (spec.EscapeWhitespaces)
            steps.Add(new ReplaceNormalizer(new TextPattern(" ", isRegex: false), blank.ToString()));
        return steps;

        static ReplaceNormalizer Replace(string pattern, string content) => new(new TextPattern(pattern, isRegex: true), content);
    }

    private static IEnumerable<ITokenDecoder> Decoders(SentencePieceSpec spec)
    {
        yield return new ReplaceDecoder(new TextPattern(Meta.ToString(), isRegex: false), " ");
        if (spec.ByteFallback)
            yield return new ByteFallbackDecoder();
        yield return new FuseDecoder();
        if (spec.AddDummyPrefix || spec.RemoveExtraWhitespaces)
            yield return new StripDecoder(" ", spec.RemoveExtraWhitespaces ? MaxLeadingBlanks : 1, 0);
    }

    /// <summary>Whether no best path is lost when text is cut before every blank.</summary>
    private static bool BlanksBeginPieces(SentencePieceSpec spec, SentencePieceVocabulary vocabulary)
        => spec.EscapeWhitespaces && vocabulary.IsPiece([Meta])
            && vocabulary.Pieces.All(p => p.Type is not (PieceType.Normal or PieceType.UserDefined) || p.Text.LastIndexOf(Meta) <= 0);

    /// <summary>
    /// User-defined pieces are taken from the text first: Unigram takes them for their score, BPE needs them as added tokens of the
    /// normalised text.
    /// </summary>
    private static void CheckUserDefined(SentencePieceSpec spec, AddedToken[] userDefined, bool isUnigram)
    {
        if (userDefined.Length == 0)
            return;
        if (!isUnigram && spec.AddDummyPrefix)
            throw Inexpressible($"it has user-defined pieces ('{userDefined[0].Content}') and puts a blank at the start of a text, which "
                + "an added token would get too");
        var rules =
            new SentencePieceNormalizer(
                spec with { AddDummyPrefix = false, RemoveExtraWhitespaces = spec.RemoveExtraWhitespaces && !isUnigram }, null);
        List<char> changed = [];
        foreach (var token in userDefined)
        {
            rules.Normalize(token.Content, changed, []);
            if (string.Concat(changed) != token.Content)
                throw Inexpressible($"the user-defined piece '{token.Content}' stands for text that is not normalised, and "
                    + "tokenizer.json would normalise it");
        }
    }

    private static UnigramModel Unigram(SentencePieceModel model)
    {
        var vocabulary = model.Pieces;
        var pieces = vocabulary.Pieces;
        if (pieces.FirstOrDefault(p => p.Type == PieceType.Unused) is { Text: { } unused })
            throw Inexpressible($"its piece '{unused}' is not to be used, and Unigram would use it");
        return new UnigramModel(
            [.. pieces.Select((piece, id) => (piece.Text, piece.Type switch
            {
                PieceType.Normal => piece.Score,
                PieceType.UserDefined => (double)model.Unigram!.ScoreOf(id, piece.Text),

                // Unknown characters are rated below the lowest score of all.
                _ => Math.Max(piece.Score, vocabulary.MinScore),
            }))],
            vocabulary.UnknownId,
            model.Spec.ByteFallback);
    }

    private static BpeModel BytePairs(SentencePieceModel model)
    {
        var vocabulary = model.Pieces;
        var pieces = vocabulary.Pieces;
        if (pieces.FirstOrDefault(p => p.Type is PieceType.Control or PieceType.Unknown && IsCharacter(p.Text)) is { Text: { } control })
            throw Inexpressible($"its control piece '{control}' is a single character, which BPE would find in texts");
        var options =
            new BpeModelOptions
            {
                UnknownToken = pieces[vocabulary.UnknownId].Text,
                FuseUnknown = true,
                ByteFallback = model.Spec.ByteFallback
            };
        return new BpeModel(vocabulary.All,
            model.Spec.Kind == SentencePieceKind.Char ? [] : [.. Merges(vocabulary).Select(m => (m.Left, m.Right))], options);
    }

    /// <summary>
    /// Every way to make a piece of two, by falling score; of the ways to make one piece, the one with the longest left part first, as in
    /// transformers.
    /// </summary>
    private static List<(string Left, string Right, int Piece)> Merges(SentencePieceVocabulary vocabulary)
    {
        var pieces = vocabulary.Pieces;
        var characters = new HashSet<string>(
            pieces.Where(p => vocabulary.IsPiece(p.Text)).SelectMany(p => p.Text.EnumerateRunes()).Select(r => r.ToString()),
            StringComparer.Ordinal);
        var merges = new List<(string Left, string Right, int Piece)>();
        for (int id = 0; id < pieces.Length; id++)
        {
            var (text, _, type) = pieces[id];
            if (!vocabulary.IsPiece(text))
                continue;
            for (int cut = 1; cut < text.Length; cut++)
            {
                var (left, right) = (text[..cut], text[cut..]);
                if (char.IsLowSurrogate(text[cut]) || !CanStand(left) || !CanStand(right))
                    continue;
                if (!vocabulary.IsPiece(left) || !vocabulary.IsPiece(right))
                    throw Inexpressible(
                        $"its piece '{text}' is made of '{left}' and '{right}', of which one is no piece, and BPE joins pieces only");
                if (type == PieceType.Unused)
                    throw Inexpressible(
                        $"its piece '{text}' is joined on the way to others and then taken apart, because it is not to be used");
                merges.Add((left, right, id));
            }
        }

        var ordered = merges.OrderByDescending(m => pieces[m.Piece].Score).ThenByDescending(m => m.Left.Length).ToList();
        CheckTies(ordered, pieces);
        return ordered;

        bool CanStand(string part) => vocabulary.IsPiece(part) || characters.Contains(part);
    }

    /// <summary>Of pieces with equal scores SentencePiece joins the leftmost; merges always have an order.</summary>
    private static void CheckTies(List<(string Left, string Right, int Piece)> merges, ScoredPiece[] pieces)
    {
        foreach (var group in merges.GroupBy(m => pieces[m.Piece].Score))
        {
            var byLeft = group.ToLookup(m => m.Left, m => m.Piece, StringComparer.Ordinal);
            foreach (var (_, right, piece) in group)
                foreach (int other in byLeft[right])
                    if (other != piece)
                        throw Inexpressible($"its pieces '{pieces[piece].Text}' and '{pieces[other].Text}' have the same score: "
                            + "whichever stands first in a text is joined, and merges have a fixed order");
        }
    }

    private static bool IsCharacter(string text) => text.Length == 1 || (text.Length == 2 && char.IsSurrogatePair(text[0], text[1]));

    private static TokenizerException Inexpressible(string reason)
        => new($"The SentencePiece model cannot be written as tokenizer.json: {reason}. Keep the file that it came from.");
}
