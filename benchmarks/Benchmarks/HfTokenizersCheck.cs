using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Saves models with tokenizers trained here in the Hugging Face layout and writes what they give for many texts, so that another reader of
/// tokenizer.json can be held against it: <c>hf-tokenizers FOLDER CORPUS [MODEL …]</c>; a MODEL is a folder with a tokenizer.json of
/// somebody else's.
/// </summary>
internal static class HfTokenizersCheck
{
    private const int Seed = 17;
    private const int RandomTexts = 500;
    private const int CorpusTexts = 2000;

    private static readonly string[] HardTexts =
    [
        "", " ", "  ", "\n", "\r\n\r\n", "\t\tx", "Hello world", " Hello  world ", "don't DON'T we'll I'm they'RE",
        "2026-11-22 3.14159 1,000,000", "naïve café Ångström",
        "日本語の文章です。言の葉は木の葉のように。", "한국어 문장", "العربية", "हिन्दी", "👩‍👩‍👧‍👦 🇯🇵 👍🏽", "a\u0301e\u0308 \uFB01 \u00A0 \u200B\u2028\u3000x",
        "<|endoftext|>a<|endoftext|>", "<|endoftext", "\u0000\u0001\u007F",
        "public static void Main(string[] args)\n{\n    return;\n}\n", "https://example.org/a?b=c&d=%20#e",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x\ny\n\nz\n\n\n", "'s 't 're", "ǅ ß ŉ İ ı",
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𓀀",
    ];

    public static int Run(string[] args)
    {
        if (args.Length < 2)
        {
            Console.Error.WriteLine("usage: benchmarks hf-tokenizers FOLDER CORPUS [MODEL ...]");
            return 2;
        }

        var folders = Save(args[0], args[1]).Concat(args[2..].Select(Path.GetFullPath)).ToList();
        string[] texts = [.. HardTexts, .. TextCorpus.From(args[1]).Take(CorpusTexts), .. Randoms()];
        using var file = new StreamWriter(Path.Combine(args[0], "cases.jsonl"), append: false, new UTF8Encoding(false));
        var options = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        foreach (var folder in folders)
        {
            var tokenizer = Tokenizer.Load(folder);
            foreach (var text in texts)
            {
                int[] ids = tokenizer.Encode(text, addSpecialTokens: true, parseSpecialTokens: true);
                file.WriteLine(
                    JsonSerializer.Serialize(
                        new
                        {
                            tokenizer = Path.Combine(folder, ModelCheckpoint.TokenizerFileName),
                            text,
                            ids,
                            decoded = tokenizer.Decode(ids)
                        }, options));
            }
        }

        Console.WriteLine($"{folders.Count} tokenizers, {texts.Length} texts each");
        return 0;
    }

    // A GPT-2 and a Llama, each with one of the word patterns, saved as any model trained here is.
    private static List<string> Save(string root, string corpus)
    {
        var saved = new List<string>();
        foreach (var pattern in Enum.GetValues<WordPattern>())
        {
            var tokenizer = Tokenizer.TrainByteLevelBpe(
                TextCorpus.From(corpus),
                new BpeTrainingOptions
                {
                    VocabularySize = 2000,
                    Pattern = pattern,
                    SpecialTokens = ["<|endoftext|>", "<|user|>", "<|end|>"]
                });
            using CausalModel model = pattern == WordPattern.Gpt2
                ? Gpt2.Create(Gpt2Config.Tiny with { VocabularySize = tokenizer.VocabularySize }, Seed)
                : Llama.Create(
                    new LlamaConfig
                    {
                        VocabularySize = tokenizer.VocabularySize,
                        Width = 64,
                        Layers = 2,
                        Heads = 4,
                        KeyHeads = 2,
                        HeadWidth = 16,
                        InnerWidth = 128,
                        ContextLength = 128
                    }, Seed);
            saved.Add(model.Save(Path.Combine(Path.GetFullPath(root), pattern.ToString()), tokenizer));
        }

        return saved;
    }

    private static IEnumerable<string> Randoms()
    {
        var random = new Random(Seed);
        int[] starts =
            [0x20, 0x41, 0x61, 0x30, 0x21, 0xC0, 0x300, 0x391, 0x410, 0x5D0, 0x904, 0xE01, 0x3041, 0x4E00, 0xAC00, 0x1F600, 0x2000];
        for (int i = 0; i < RandomTexts; i++)
        {
            var text = new StringBuilder();
            for (int n = random.Next(1, 60); n > 0; n--)
                text.Append(random.Next(4) == 0 ? " "
                    : random.Next(12) == 0 ? "\n"
                    : new Rune(starts[random.Next(starts.Length)] + random.Next(20)).ToString());
            yield return text.ToString();
        }
    }
}
