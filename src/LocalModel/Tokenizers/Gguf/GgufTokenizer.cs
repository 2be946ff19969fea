using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Tokenizers.Decoders;
using Kotonoha.LocalModel.Tokenizers.Models;
using Kotonoha.LocalModel.Tokenizers.Normalizers;
using Kotonoha.LocalModel.Tokenizers.PostProcessors;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;
using Kotonoha.LocalModel.Tokenizers.SentencePiece;

namespace Kotonoha.LocalModel.Tokenizers.Gguf;

/// <summary>
/// Makes a tokenizer of the vocabulary in a GGUF file's metadata (keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, section
/// Tokenizer). Text is not normalised but where the vocabulary asks for it, as in llama.cpp. A tokenizer.json that the file holds (<c>tokenizer.huggingface.json</c>) is not looked at.
/// </summary>
internal static class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";
    private const char Meta = '\u2581';
    private const int MaxWordPieceCharacters = 100;

    /// <summary>Reads the vocabulary.</summary>
    /// <exception cref="TokenizerException">There is none, it is broken, or of a kind that is not known.</exception>
    public static TokenizerParts Read(GgufFile file)
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
                null or "none" => throw new TokenizerException("the file has no vocabulary (tokenizer.ggml.model). Load the model's tokenizer.json."),
                _ => throw new TokenizerException($"tokenizer.ggml.model is '{kind}'. Known are bert, gpt2, llama, t5.", $"tokenizer.ggml.model {kind}", null),
            };
        }
        catch (Exception exception) when (exception is TokenizerException or GgufException)
        {
            throw new TokenizerException($"{file.Path}: {exception.Message}", (exception as TokenizerException)?.UnsupportedComponent, exception);
        }
    }

    private static TokenizerParts ReadSentencePiece(GgufFile file, SentencePieceKind kind)
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
            spec, file.Bool(Prefix + "add_bos_token") ?? (isBpe && spec.BeginPiece is not null), file.Bool(Prefix + "add_eos_token") ?? !isBpe);
    }

    private static TokenizerParts ReadBytePairs(GgufFile file)
    {
        var (tokens, types) = ReadTokens(file);
        var name = file.Text(Prefix + "pre");
        var preTokenizer = GgufPreTokenizers.For(name);
        bool isLlama3 = GgufPreTokenizers.IsLlama3(name!);
        var vocabulary = new Vocabulary();
        var added = new List<AddedToken>();
        for (int id = 0; id < tokens.Length; id++)
        {
            // Merges may make a token of a user's too.
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
        bool addBegin = file.Bool(Prefix + "add_bos_token") ?? (isLlama3 && begin is not null), addEnd = file.Bool(Prefix + "add_eos_token") ?? false;
        return new TokenizerParts
        {
            PreTokenizer = preTokenizer,
            Model = new BpeModel(vocabulary, merges, new BpeModelOptions { IgnoreMerges = isLlama3 || name == "tekken" }),
            PostProcessor = SentencePieceTokenizer.BeginAndEnd(addBegin ? begin ?? throw Lacks("bos") : null, addEnd ? TokenOf(file, "eos", tokens) ?? throw Lacks("eos") : null)
                ?? new ByteLevelPostProcessor(AddPrefixSpace: true, TrimOffsets: false, UseRegex: true),
            Decoder = new ByteLevelDecoder(AddPrefixSpace: true, TrimOffsets: true, UseRegex: true),
            AddedTokens = added,
        };
    }

    private static TokenizerParts ReadWordPieces(GgufFile file)
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
        var separator = TokenOf(file, "seperator", tokens) ?? TokenOf(file, "separator", tokens) ?? TokenOf(file, "eos", tokens) ?? throw Lacks("seperator");
        var unknown = TokenOf(file, "unknown", tokens) ?? throw Lacks("unknown");
        return new TokenizerParts
        {
            Normalizer = new BertNormalizer(CleanText: true, HandleChineseChars: true, StripAccents: null, Lowercase: !isCased),
            PreTokenizer = new BertPreTokenizer(),
            Model = new WordPieceModel(vocabulary, unknown.Token, "##", MaxWordPieceCharacters),
            PostProcessor = new BertPostProcessor(TokenOf(file, "bos", tokens) ?? TokenOf(file, "cls", tokens) ?? throw Lacks("bos"), separator),
            Decoder = new WordPieceDecoder("##", Cleanup: true),
            AddedTokens = added,
        };
    }

    private static (string[] Tokens, PieceType[] Types) ReadTokens(GgufFile file)
    {
        var tokens = file.Texts(Prefix + "tokens") ?? throw file.Missing(Prefix + "tokens");
        var types = new PieceType[tokens.Length];
        Array.Fill(types, PieceType.Normal);
        if (file.Integers(Prefix + "token_type") is { } numbers)
        {
            if (numbers.Length != tokens.Length)
                throw new TokenizerException($"tokenizer.ggml.token_type has {numbers.Length} values for {tokens.Length} tokens. Check the file.");
            for (int id = 0; id < types.Length; id++)
                types[id] = numbers[id] is >= (int)PieceType.Normal and <= (int)PieceType.Byte ? (PieceType)numbers[id]
                    : throw new TokenizerException($"token {id} has type {numbers[id]}, where 1 to 6 are known. Check the file.");
        }

        return (tokens, types);
    }

    private static (string Token, int Id)? TokenOf(GgufFile file, string role, string[] tokens)
    {
        var key = $"{Prefix}{role}_token_id";
        return file.Integer(key) is not { } id ? null
            : id >= 0 && id < tokens.Length ? (tokens[id], (int)id)
            : throw new TokenizerException($"{key} is {id}, but the vocabulary has {tokens.Length} tokens. Check the file.");
    }

    private static TokenizerException Lacks(string role) => new($"{Prefix}{role}_token_id is missing. Check the file.");
}
