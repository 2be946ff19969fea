using System.CommandLine;
using System.Globalization;
using System.Text;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.LocalModel.Training.Data;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha tokenizer</c>: learns tokenizers of texts, shows how they came about, compares how they cut other texts.</summary>
internal static class TokenizerCommands
{
    private const string Bpe = "bpe", WordPiece = "wordpiece", Unigram = "unigram";
    private const int DefaultVocabulary = 8000, WordStages = 5, Bytes = 256;
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public static Command Create() => new("tokenizer", "Learn tokenizers and compare them ('tokenize' and 'detokenize' use one).")
    {
        Train(),
        Compare(),
    };

    private static Command Train()
    {
        var texts = new Argument<string>("PATH")
        {
            Description = "A folder of .txt, .md, .jsonl (one object with a text a line) and .json files, or one of them.",
        };
        var output = new Option<string>("--out")
        {
            Description = "The tokenizer, as a tokenizer.json.",
            HelpName = "FILE",
            Required = true,
        };
        var kind = new Option<string>("--kind")
        {
            Description = "bpe (byte-level, as GPT-2 has it: any text comes back), wordpiece (BERT's), unigram (SentencePiece's).",
            HelpName = "KIND",
            DefaultValueFactory = _ => Bpe,
        };
        kind.AcceptOnlyFromAmong(Bpe, WordPiece, Unigram);
        var size = new Option<int>("--vocabulary")
        {
            Description = "The number of tokens.",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultVocabulary,
        };
        var special = new Option<string[]>("--special")
        {
            Description = "A control token; may be repeated (default: those usual for the kind).",
            HelpName = "TOKEN",
        };
        var watch = new Option<int>("--watch")
        {
            Description = "Show so many merges of bpe, the most frequent pair first, and how --word is cut on the way.",
            HelpName = "N",
        };
        var word = new Option<string?>("--word") { Description = "The word that --watch cuts (default: the longest).", HelpName = "WORD" };
        var skipBad = new Option<bool>("--skip-bad-lines") { Description = "Leave out lines of .jsonl files that cannot be read." };
        var command = new Command("train", "Learn a tokenizer of texts.") { texts };
        foreach (var option in (Option[])[output, kind, size, special, watch, word, skipBad])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string path = parsed.GetRequiredValue(texts), file = parsed.GetRequiredValue(output), name = parsed.GetValue(kind)!;
            int count = parsed.GetValue(size), shown = parsed.GetValue(watch);
            if (shown < 0)
                throw new UsageException(string.Create(Invariant, $"--watch {shown}: 0 or more"));
            if (shown > 0 && name != Bpe || parsed.GetValue(word) is not null && shown == 0)
                throw new UsageException("--watch shows the merges of --kind bpe, and --word goes with it");
            int least = name == Bpe ? Bytes + Math.Max(1, parsed.GetValue(special)?.Length ?? 0) : 1;
            if (count < least)
                throw new UsageException(string.Create(Invariant, $"--vocabulary {count}: at least {least}"
                    + $"{(name == Bpe ? ", for the bytes and the control tokens" : "")}"));
            if (!Path.Exists(path))
                throw new UsageException($"'{path}': there is no such file or folder");
            if (Path.GetDirectoryName(Path.GetFullPath(file)) is { } folder && !Directory.Exists(folder))
                throw new UsageException($"--out '{file}': there is no folder '{folder}'");
            Action<string>? bad = parsed.GetValue(skipBad) ? line => Console.Error.WriteLine($"left out: {line}") : null;
            string[] all = [.. CorpusFiles.Read(path, bad).Select(document => document.Text)];
            if (!all.Any(text => !string.IsNullOrWhiteSpace(text)))
                throw new UsageException($"'{path}' has no text (.txt, .md, .jsonl, .json)");
            string[]? tokens = parsed.GetValue(special) is { Length: > 0 } given ? given : null;
            var tokenizer = await Task.Run(() => Learn(all, name, count, tokens, cancellationToken), cancellationToken);
            tokenizer.Save(file);
            if (shown > 0)
                Watch(tokenizer, shown, parsed.GetValue(word) ?? LongestWord(all));
            Console.Out.WriteLine(string.Create(Invariant, $"{tokenizer.VocabularySize:N0} tokens of {all.Length:N0} texts: {file}"));
            return 0;
        });
        return command;
    }

    private static Command Compare()
    {
        var tokenizers = new Argument<string[]>("TOKENIZER")
        {
            Description = "A tokenizer.json, a model's folder, a GGUF file, or OWNER/NAME of a pulled model.",
            Arity = ArgumentArity.OneOrMore,
        };
        var data = new Option<string[]>("--data")
        {
            Description = "Texts that the tokenizers were not trained on, a file or a folder; may be repeated, and each is measured by "
                + "itself.",
            HelpName = "PATH",
            Required = true,
        };
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        var command = new Command("compare", "Measure how tokenizers cut texts: compression (bytes a token), tokens a character, fertility "
            + "(tokens a word), unknown tokens, and texts that come back letter by letter.") { tokenizers };
        command.Options.Add(data);
        command.Options.Add(json);
        command.SetAction(parsed =>
        {
            string[] names = parsed.GetRequiredValue(tokenizers), paths = parsed.GetRequiredValue(data);
            if (paths.FirstOrDefault(path => !Path.Exists(path)) is { } missing)
                throw new UsageException($"--data '{missing}': there is no such file or folder");
            var loaded = names.Select(name => ModelFiles.Tokenizer(name).WithPadding(null).WithTruncation(null)).ToArray();
            int width = Math.Max(9, names.Max(name => name.Length));
            if (!parsed.GetValue(json))
                Console.Out.WriteLine("tokenizer".PadRight(width)
                    + "      tokens  bytes/token  tokens/char  tokens/word  unknown  exact  data");
            foreach (var path in paths)
            {
                string[] texts = [.. CorpusFiles.Read(path).SelectMany(document => document.Text.Split('\n')).Where(t => t.Length > 0)];
                if (texts.Length == 0)
                    throw new UsageException($"--data '{path}' has no text (.txt, .md, .jsonl, .json)");
                foreach (var (name, tokenizer) in names.Zip(loaded))
                {
                    var measured = TokenizerMeasurement.Of(tokenizer, texts);
                    if (parsed.GetValue(json))
                        Console.Out.WriteLine(Json(name, path, tokenizer, measured));
                    else
                        Console.Out.WriteLine(name.PadRight(width) + string.Create(Invariant, $"{measured.Tokens,12:N0}"
                            + $"{measured.BytesPerToken,13:F2}{measured.TokensPerCharacter,13:F3}{measured.Fertility,13:F2}"
                            + $"{100 * measured.UnknownShare,8:F2}%{100.0 * measured.RoundTrips / measured.Texts,6:F0}%  {path}"));
                }
            }

            return 0;
        });
        return command;
    }

    private static Tokenizer Learn(string[] texts, string kind, int size, string[]? special, CancellationToken cancellationToken)
    {
        try
        {
            switch (kind)
            {
                case WordPiece:
                    var pieces = new WordPieceTrainingOptions { VocabularySize = size };
                    return Tokenizer.TrainWordPiece(texts, special is null ? pieces : pieces with { SpecialTokens = special },
                        cancellationToken);
                case Unigram:
                    var unigram = new UnigramTrainingOptions { VocabularySize = size };
                    return Tokenizer.TrainUnigram(texts, special is null ? unigram : unigram with { SpecialTokens = special },
                        cancellationToken);
                default:
                    var bpe = new BpeTrainingOptions { VocabularySize = size };
                    return Tokenizer.TrainByteLevelBpe(texts, special is null ? bpe : bpe with { SpecialTokens = special },
                        cancellationToken);
            }
        }
        catch (ArgumentException exception)
        {
            throw new UsageException($"--vocabulary {size.ToString(Invariant)}, --special: {exception.Message}");
        }
    }

    // The first merges, and the cuts of a word after none of them, some and all.
    private static void Watch(Tokenizer tokenizer, int shown, string word)
    {
        var merges = tokenizer.Merges;
        foreach (var (i, (left, right)) in merges.Take(shown).Index())
            Console.Out.WriteLine(string.Create(
                Invariant, $"{i + 1,5}  {Shown(tokenizer, left)} + {Shown(tokenizer, right)} = {Shown(tokenizer, left + right)}"));
        var ranks = merges.Index().ToDictionary(merge => merge.Item, merge => merge.Index);
        for (int stage = 0; stage <= WordStages; stage++)
        {
            int known = stage == 0 ? 0 : (int)(merges.Count / Math.Pow(4, WordStages - stage));
            List<string> pieces = [.. Encoding.UTF8.GetBytes(word).Select(b => ByteAlphabet.ToChar(b).ToString())];
            while (Best(pieces) is { } at)
            {
                pieces[at] += pieces[at + 1];
                pieces.RemoveAt(at + 1);
            }

            var cut = string.Join(" | ", pieces.Select(piece => Shown(tokenizer, piece)));
            Console.Out.WriteLine(string.Create(Invariant, $"after {known,6:N0} merges: {cut}"));

            int? Best(List<string> of)
            {
                int best = known, place = -1;
                for (int i = 0; i + 1 < of.Count; i++)
                    if (ranks.TryGetValue((of[i], of[i + 1]), out int rank) && rank < best)
                        (best, place) = (rank, i);
                return place < 0 ? null : place;
            }
        }
    }

    // A part of a character is shown as tokenizer.json has it, a sign for each byte.
    private static string Shown(Tokenizer tokenizer, string piece)
        => tokenizer.TokenToId(piece) is { } id && tokenizer.Decode([id]) is var text && !text.Contains('\uFFFD') ? $"'{text}'" : piece;

    private static string LongestWord(IEnumerable<string> texts)
        => texts.SelectMany(text => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            .Where(word => word.All(char.IsLetter)).MaxBy(word => word.Length) ?? "tokenizer";

    private static string Json(string name, string path, Tokenizer tokenizer, TokenizerMeasurement measured) => JsonLines.Line(json =>
    {
        json.WriteString("tokenizer", name);
        json.WriteString("data", path);
        json.WriteNumber("vocabulary", tokenizer.VocabularySize);
        json.WriteNumber("texts", measured.Texts);
        json.WriteNumber("bytes", measured.Bytes);
        json.WriteNumber("tokens", measured.Tokens);
        json.WriteNumber("bytes_per_token", measured.BytesPerToken);
        json.WriteNumber("tokens_per_character", measured.TokensPerCharacter);
        json.WriteNumber("tokens_per_word", measured.Fertility);
        json.WriteNumber("unknown_share", measured.UnknownShare);
        json.WriteNumber("round_trips", measured.RoundTrips);
    });
}
