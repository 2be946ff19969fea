using Kotonoha.Foundation.Gguf;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Makes a tokenizer from the vocabulary in a GGUF file's metadata (keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md,
/// section Tokenizer). Text is normalised only where the vocabulary asks for it, as in llama.cpp. A tokenizer.json that the file holds
/// (<c>tokenizer.huggingface.json</c>) is ignored.
/// </summary>
internal static class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";
    private const char Meta = '\u2581';
    private const int MaxWordPieceCharacters = 100;

    /// <summary>Reads the vocabulary.</summary>
    /// <exception cref="TokenizerException">There is none, it is broken, or of a kind that is not known.</exception>
    public static TokenizerParts Read(GgufMetadata file)
    {
        try
        {
            var kind = file.Text(Prefix + "model");
            return kind switch
            {
                "llama" => ReadSentencePiece(file, SentencePieceKind.Bpe),
                "t5" => ReadSentencePiece(file, SentencePieceKind.Unigram),
                "gpt2" => ReadBytePairs(file),
                "bert" => ReadWordPieces(file),
                null or "none" =>
                    throw new TokenizerException("the file has no vocabulary (tokenizer.ggml.model). Load the model's tokenizer.json."),
                _ => throw new TokenizerException($"tokenizer.ggml.model is '{kind}'. Known are bert, gpt2, llama, t5.",
                    $"tokenizer.ggml.model {kind}", null),
            };
        }
        catch (Exception exception) when (exception is TokenizerException or GgufException)
        {
            throw new TokenizerException($"{file.Path}: {exception.Message}", (exception as TokenizerException)?.UnsupportedComponent,
                exception);
        }
    }

    private static TokenizerParts ReadSentencePiece(GgufMetadata file, SentencePieceKind kind)
    {
        bool isBpe = kind == SentencePieceKind.Bpe;
        var (tokens, types) = ReadTokens(file);
        var scores = file.Floats(Prefix + "scores") ?? [];
        if (scores.Length != tokens.Length)
            throw new TokenizerException($"tokenizer.ggml.scores has {scores.Length} values for {tokens.Length} tokens. Check the file.");
        var pieces = new ScoredPiece[tokens.Length];
        for (int id = 0; id < pieces.Length; id++)
            pieces[id] = new ScoredPiece(tokens[id], scores[id], types[id]);
        var charsMap = file.Integers(Prefix + "precompiled_charsmap") ?? [];
        var spec = new SentencePieceSpec
        {
            Pieces = pieces,
            Kind = kind,
            ByteFallback = pieces.Any(p => p.Type == PieceType.Byte),
            AddDummyPrefix = file.Bool(Prefix + "add_space_prefix") ?? true,
            RemoveExtraWhitespaces = file.Bool(Prefix + "remove_extra_whitespaces") ?? !isBpe,
            CharsMap = [.. charsMap.Select(unit => unchecked((byte)unit))],
            BeginPiece = TokenOf(file, "bos", tokens)?.Token,
            EndPiece = TokenOf(file, "eos", tokens)?.Token,
        };
        return SentencePieceTokenizer.Build(
            spec, file.Bool(Prefix + "add_bos_token") ?? (isBpe && spec.BeginPiece is not null), file.Bool(Prefix + "add_eos_token")
                ?? !isBpe);
    }

    private static TokenizerParts ReadBytePairs(GgufMetadata file)
    {
        var (tokens, types) = ReadTokens(file);
        var name = file.Text(Prefix + "pre");
        var preTokenizer = GgufPreTokenizers.For(name);
        bool isLlama3 = GgufPreTokenizers.IsLlama3(name!);
        var vocabulary = new Vocabulary();
        var added = new List<AddedToken>();
        for (int id = 0; id < tokens.Length; id++)
        {
            // Merges may produce a user's token too.
            if (types[id] is PieceType.Control or PieceType.UserDefined or PieceType.Unknown)
                added.Add(new AddedToken(id, tokens[id]) { IsSpecial = types[id] != PieceType.UserDefined });
            if (types[id] is not (PieceType.Control or PieceType.Unknown) && !vocabulary.TryAdd(tokens[id], id))
                throw new TokenizerException($"token '{tokens[id]}' stands twice in the vocabulary. Check the file.");
        }

        var merges = new List<(string, string)>();
        foreach (var merge in file.Texts(Prefix + "merges") ?? throw file.Missing(Prefix + "merges"))
        {
            int blank = merge.Length == 0 ? -1 : merge.IndexOf(' ', 1);
            if (blank < 0 || blank == merge.Length - 1)
                throw new TokenizerException($"merge '{merge}' is not two tokens with a blank between them. Check the file.");
            merges.Add((merge[..blank], merge[(blank + 1)..]));
        }

        var begin = TokenOf(file, "bos", tokens);
        bool addBegin = file.Bool(Prefix + "add_bos_token")
            ?? (isLlama3 && begin is not null), addEnd = file.Bool(Prefix + "add_eos_token") ?? false;
        return new TokenizerParts
        {
            PreTokenizer = preTokenizer,
            Model = new BpeModel(vocabulary, merges, new BpeModelOptions { IgnoreMerges = isLlama3 || name == "tekken" }),
            PostProcessor =
                SentencePieceTokenizer.BeginAndEnd(addBegin ? begin ?? throw Lacks("bos") : null,
                    addEnd ? TokenOf(file, "eos", tokens) ?? throw Lacks("eos") : null)
                ?? new ByteLevelPostProcessor(AddPrefixSpace: true, TrimOffsets: false, UseRegex: true),
            Decoder = new ByteLevelDecoder(AddPrefixSpace: true, TrimOffsets: true, UseRegex: true),
            AddedTokens = added,
        };
    }

    private static TokenizerParts ReadWordPieces(GgufMetadata file)
    {
        // Word starts carry U+2581 and continuations nothing: tokenizer.json's spelling is the other way round.
        var (tokens, types) = ReadTokens(file);
        var vocabulary = new Vocabulary();
        var added = new List<AddedToken>();
        bool isCased = false;
        for (int id = 0; id < tokens.Length; id++)
        {
            bool isSpecial = types[id] is PieceType.Control or PieceType.Unknown or PieceType.UserDefined;
            var token = isSpecial ? tokens[id] : tokens[id].StartsWith(Meta) ? tokens[id][1..] : "##" + tokens[id];
            if (!vocabulary.TryAdd(token, id))
                throw new TokenizerException($"token '{tokens[id]}' stands twice in the vocabulary. Check the file.");
            if (isSpecial)
                added.Add(new AddedToken(id, token) { IsSpecial = types[id] != PieceType.UserDefined });
            else
                isCased |= token.Any(char.IsAsciiLetterUpper);
        }

        // The metadata has always spelled the separator's key like this.
        var separator = TokenOf(file, "seperator", tokens) ?? TokenOf(file, "separator", tokens) ?? TokenOf(file, "eos", tokens)
            ?? throw Lacks("seperator");
        var unknown = TokenOf(file, "unknown", tokens) ?? throw Lacks("unknown");
        return new TokenizerParts
        {
            Normalizer = new BertNormalizer(CleanText: true, HandleChineseChars: true, StripAccents: null, Lowercase: !isCased),
            PreTokenizer = new BertPreTokenizer(),
            Model = new WordPieceModel(vocabulary, unknown.Token, "##", MaxWordPieceCharacters),
            PostProcessor =
                new BertPostProcessor(TokenOf(file, "bos", tokens) ?? TokenOf(file, "cls", tokens) ?? throw Lacks("bos"), separator),
            Decoder = new WordPieceDecoder("##", Cleanup: true),
            AddedTokens = added,
        };
    }

    private static (string[] Tokens, PieceType[] Types) ReadTokens(GgufMetadata file)
    {
        var tokens = file.Texts(Prefix + "tokens") ?? throw file.Missing(Prefix + "tokens");
        var types = new PieceType[tokens.Length];
        Array.Fill(types, PieceType.Normal);
        if (file.Integers(Prefix + "token_type") is { } numbers)
        {
            if (numbers.Length != tokens.Length)
                throw new TokenizerException(
                    $"tokenizer.ggml.token_type has {numbers.Length} values for {tokens.Length} tokens. Check the file.");
            for (int id = 0; id < types.Length; id++)
                types[id] = numbers[id] is >= (int)PieceType.Normal and <= (int)PieceType.Byte ? (PieceType)numbers[id]
                    : throw new TokenizerException($"token {id} has type {numbers[id]}, where 1 to 6 are known. Check the file.");
        }

        return (tokens, types);
    }

    private static (string Token, int Id)? TokenOf(GgufMetadata file, string role, string[] tokens)
    {
        var key = $"{Prefix}{role}_token_id";
        return file.Integer(key) is not { } id ? null
            : id >= 0 && id < tokens.Length ? (tokens[id], (int)id)
            : throw new TokenizerException($"{key} is {id}, but the vocabulary has {tokens.Length} tokens. Check the file.");
    }

    private static TokenizerException Lacks(string role) => new($"{Prefix}{role}_token_id is missing. Check the file.");
}

/// <summary>
/// The pre-tokenizers that <c>tokenizer.ggml.pre</c> names: patterns that isolate their matches one after the other, as the tokenizers of
/// those models have them (source of the names: llama.cpp's llama-vocab.cpp).
/// </summary>
internal static class GgufPreTokenizers
{
    private const string Kanji = "[一-龥\u0800-一가-\uD7FF]+";
    private const string Digit = @"\p{N}";
    private const string NotBloom = @" ?[^(\s|.,!?…。，、।۔،)]+";

    private const string DeepSeekLetters =
        @"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A"
        + @"\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC"
        + @"\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139"
        + @"\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E"
        + @"\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}"
        + @"\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+";

    private static readonly SortedDictionary<string, string[]> Patterns = Build();
    private static readonly string[] Common = ["gpt-2", "smollm", "qwen2", "gpt-4o"];

    /// <summary>The names that are known.</summary>
    public static IEnumerable<string> Names => Patterns.Keys;

    /// <summary>
    /// Whether a tokenizer of that name takes words that are tokens as they are, and begins texts with its begin token unless told
    /// otherwise.
    /// </summary>
    public static bool IsLlama3(string name)
        => Patterns.TryGetValue(name, out var patterns) && patterns is [Cl100kWordCutter.Llama3Pattern]
            && name is not ("dbrx" or "smaug-bpe");

    /// <summary>The name of patterns that isolate their matches one after the other, or null; of several names, the most common.</summary>
    public static string? NameOf(IReadOnlyList<string> patterns)
        => Common.Concat(Names).FirstOrDefault(name => Patterns[name].AsSpan().SequenceEqual([.. patterns]));

    /// <summary>The pre-tokenizer of a name.</summary>
    /// <exception cref="TokenizerException">The name is not known.</exception>
    public static IPreTokenizer For(string? name)
    {
        if (name is null || !Patterns.TryGetValue(name, out var patterns))
            throw new TokenizerException(
                $"tokenizer.ggml.pre is {(name is null ? "missing" : $"'{name}'")}. Known are {string.Join(", ", Names)}. Convert the "
                    + "model anew, or use its tokenizer.json.",
                $"tokenizer.ggml.pre {name}", null);
        var byteLevel = new ByteLevelPreTokenizer(AddPrefixSpace: false, UseRegex: false, TrimOffsets: true);
        return new SequencePreTokenizer([.. patterns.Select(pattern => new SplitPreTokenizer(pattern)), byteLevel]);
    }

    private static SortedDictionary<string, string[]> Build()
    {
        var patterns = new SortedDictionary<string, string[]>(StringComparer.Ordinal);
        void Add(string names, params string[] list)
        {
            foreach (var name in names.Split(' '))
                patterns.Add(name, list);
        }

        var gpt2 = Gpt2WordCutter.Patterns[0];
        Add("gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat mpt olmo jais", gpt2);
        Add("llama3 llama-v3 llama-bpe falcon3 dbrx smaug-bpe chatglm-bpe glm4", Cl100kWordCutter.Llama3Pattern);
        Add("qwen2 deepseek-r1-qwen stablelm2 megrez", Cl100kWordCutter.OneDigit[0]);
        Add("smollm starcoder refact command-r codeshell", Digit, gpt2);
        Add("falcon", @"[\p{P}\$\+<=>\^~\|`]+", gpt2, "[0-9][0-9][0-9]");
        Add("gpt-4o llama4", O200kWordCutter.Pattern);
        Add("deepseek-llm", @"[\r\n]", DeepSeekLetters, @"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", TrailingSpaceCutter.Pattern, Kanji, @"\p{N}+");
        Add("deepseek-coder", @"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", Kanji, Digit);
        Add("deepseek-v3", @"\p{N}{1,3}", @"[一-龥぀-ゟ゠-ヿ]+", DeepSeekWordCutter.Pattern);
        Add("bloom poro-chat gpt3-finnish", NotBloom);
        Add("viking", NotBloom, Digit);
        Add(
            "tekken",
            @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}"
            + @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+");
        return patterns;
    }
}
