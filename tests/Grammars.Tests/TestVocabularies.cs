using System.Text;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Tokenizers;

namespace Kotonoha.Grammars.Tests;

/// <summary>Vocabularies of tokenizers that are trained here, like those of real models.</summary>
internal static class TestVocabularies
{
    private const string End = "<|end|>";
    private const string Call = "<tool_call>";

    /// <summary>A byte-level BPE: tokens may be parts of characters.</summary>
    public static (Tokenizer Tokenizer, TokenVocabulary Vocabulary) ByteLevel { get; } = Of(
        Tokenizer.TrainByteLevelBpe(Corpus(), 1500, minFrequency: 2, [End, Call]));

    /// <summary>
    /// A SentencePiece-like one: byte tokens where characters are missing, blanks as a character of their own, and one that goes at the
    /// start.
    /// </summary>
    public static (Tokenizer Tokenizer, TokenVocabulary Vocabulary) SentencePieceLike { get; } = Of(Parse());

    public static int EndToken(Tokenizer tokenizer) => tokenizer.TokenToId(End)!.Value;

    private static (Tokenizer, TokenVocabulary) Of(Tokenizer tokenizer)
        => (tokenizer, TokenVocabularies.Of(tokenizer, [EndToken(tokenizer)]));

    // JSON, prose and Japanese, made up from a few words.
    private static List<string> Corpus()
    {
        var random = new Random(5);
        string[] words =
            ["name", "value", "title", "count", "the", "of", "answer", "true", "false", "null", "これは", "東京", "天気", "über", "naïve",
                "\u00e9t\u00e9", "😀", "items"];
        var texts = new List<string>();
        for (int i = 0; i < 400; i++)
        {
            var text = new StringBuilder();
            for (int j = 0; j < 12; j++)
            {
                string word = words[random.Next(words.Length)];
                text.Append(random.Next(6) switch
                {
                    0 => $"{{\"{word}\": \"{words[random.Next(words.Length)]}\", ",
                    1 => $"\"{word}\":[{random.Next(1000)}, {random.Next(100)}.5],",
                    2 => $"}}, {{\"{word}\":",
                    3 => $"[[\"{word}\"]],\n    ",
                    4 => $"\\\"{word}\\n\\u00e9",
                    _ => $" {word} {word}s.",
                });
            }

            texts.Add(text.ToString());
        }

        return texts;
    }

    private static Tokenizer Parse()
    {
        // The pieces of the trained BPE that are whole characters, spelled as SentencePiece spells them, and all bytes.
        var pieces = new List<string> { "<unk>", End, Call };
        pieces.AddRange(Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>"));
        for (int id = 0; id < ByteLevelTokenizer.VocabularySize; id++)
        {
            string text = ByteLevelTokenizer.Decode([id], skipSpecialTokens: true);
            if (text.Length > 0 && !text.Contains('\uFFFD') && !text.Contains('\n'))
                pieces.Add(text.Replace(' ', '\u2581'));
        }

        pieces = [.. pieces.Distinct()];
        var vocabulary = string.Join(',', pieces.Select((p, i) => $"{System.Text.Json.JsonSerializer.Serialize(p)}:{i}"));
        string json = $$$"""
            {"added_tokens":[{"id":1,"content":"{{{End}}}","special":true},{"id":2,"content":"{{{Call}}}","special":false}],
             "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
             "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
               {"type":"Strip","content":" ","start":1,"stop":0}]},
             "model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,"fuse_unk":true,"vocab":{{{{vocabulary}}}},"merges":[]}}
            """;
        return Tokenizer.Parse(Encoding.UTF8.GetBytes(json));
    }

    private static Tokenizer ByteLevelTokenizer => ByteLevel.Tokenizer;
}
