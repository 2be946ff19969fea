using Kotonoha.LocalModel.Tokenizers;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>What the metadata of a GGUF file says beside the model: tokenizer, chat template, special tokens.</summary>
internal static class GgufParts
{
    private const string Prefix = "tokenizer.ggml.";
    private const string NoTokenizer = "none";

    // Each ends a turn for some family; llama.cpp stops at all of them.
    private static readonly string[] Ends = ["eos_token_id", "eot_token_id", "eom_token_id"];

    /// <summary>The special token ids.</summary>
    public static GenerationSettings Settings(GgufFile file) => new()
    {
        BosTokenId = Id(file, "bos_token_id"),
        EosTokenIds = [.. Ends.Select(e => Id(file, e)).OfType<int>().Distinct()],
        PadTokenId = Id(file, "padding_token_id"),
    };

    /// <summary>The texts of the special tokens, and the chat template.</summary>
    public static TokenizerSettings TokenizerSettings(GgufFile file)
    {
        var tokens = file.Texts(Prefix + "tokens") ?? [];
        string? Text(string key) => Id(file, key) is { } id && id < tokens.Length ? tokens[id] : null;
        return new TokenizerSettings
        {
            BosToken = Text("bos_token_id"),
            EosToken = Text("eos_token_id"),
            UnknownToken = Text("unknown_token_id"),
            PadToken = Text("padding_token_id"),
            ChatTemplate = file.Text("tokenizer.chat_template"),
        };
    }

    /// <summary>Whether the file brings a tokenizer.</summary>
    public static bool HasTokenizer(GgufFile file) => file.Text(Prefix + "model") is { } kind && kind != NoTokenizer;

    private static int? Id(GgufFile file, string key)
        => file.Integer(Prefix + key) is { } id ? id is >= 0 and <= int.MaxValue ? (int)id : throw file.Wrong(Prefix + key, "the id of a token") : null;
}
