// Measures models and texts: perplexity and bits a byte, the right continuation out of four with its interval, whether two models really
// differ, ratings from games; BLEU, chrF and ROUGE of given texts.
// Usage: dotnet run -c Release -- STEPS TEXT [HYPOTHESES REFERENCES]    (files of as many lines; without them: three sentences)
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

if (args.Length is not (2 or 4))
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS TEXT [HYPOTHESES REFERENCES]");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture);
var corpus = string.Concat(TextCorpus.From(args[1]));
string train = corpus[..(corpus.Length * 9 / 10)], heldOut = corpus[train.Length..];

// 1. Three models of one text: hardly trained, a third of the steps, all of them.
var tokenizer = Tokenizer.TrainByteLevelBpe([train], 512, specialTokens: [CheckpointParts.EndOfText]);
using var data = TokenDataset.From(tokenizer, [train], [heldOut]);
var work = Directory.CreateTempSubdirectory("kotonoha-evaluation");
var models = new Dictionary<string, LocalGpt>();
foreach (var (name, count) in ((string, int)[])[("1 step", 1), ($"{steps / 3} steps", steps / 3), ($"{steps} steps", steps)])
{
    using var model = Gpt2.Create(
        new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = 64, Width = 64, Layers = 2, Heads = 4 }, seed: 1);
    await new Trainer(model, new TrainingOptions { Steps = count, BatchSize = 8, LearningRate = 3e-3 }).RunAsync(data);
    models[name] = LocalGpt.Load(model.Save(Path.Combine(work.FullName, name), tokenizer));
}

// 2. Perplexity depends on the tokenizer, bits a byte do not.
int[][] windows = [.. tokenizer.Encode(heldOut).Chunk(48).Where(window => window.Length == 48)];
var losses = new Dictionary<string, double[]>();
foreach (var (name, gpt) in models)
{
    var whole = new TextLikelihood();
    var each = new List<double>();
    foreach (var window in windows)
    {
        var scores = (await gpt.ScoreTokensAsync(window)).LogProbabilities;
        whole += TextLikelihood.Of(tokenizer.Decode(window.AsSpan(1)), [.. scores.Select(score => (double)score)]);
        each.Add(-scores.Average());
    }

    losses[name] = [.. each];
    Say($"{name,-12} perplexity {whole.Perplexity,7:F1}, bits a byte {whole.BitsPerByte:F3}");
}

// 3. Accuracy: which of four continuations is the real one? In the others its tokens are shuffled. A guess is right once in four times; the
// interval says what the figure is worth.
var right = new Dictionary<string, List<bool>>();
foreach (var (name, gpt) in models)
{
    right[name] = [];
    var random = new Random(1);
    foreach (var window in windows)
    {
        int[][] choices = [.. Enumerable.Range(0, 4).Select(_ => window[36..])];
        foreach (var choice in choices[1..])
            random.Shuffle(choice);
        var scores = await gpt.ScoreAsync(tokenizer.Decode(window.AsSpan(0, 36)), [.. choices.Select(choice => tokenizer.Decode(choice))]);
        right[name].Add(scores.Index().MaxBy(score => score.Item.LogProbability).Index == 0);
    }

    int count = right[name].Count(x => x);
    var interval = Statistics.Wilson(count, windows.Length);
    Say($"{name,-12} {count} of {windows.Length} continuations ({100 * interval.Low:F0}–{100 * interval.High:F0}%), by chance 25%");
}

// 4. Do two models differ, or was it luck? On the same windows: a t-test of the losses, McNemar's test of right and wrong.
string better = models.Keys.Last(), worse = models.Keys.ElementAt(1);
var test = Statistics.PairedTTest(losses[worse], losses[better]);
var both = right[better].Zip(right[worse]).ToArray();
double exact = Statistics.McNemarExact(both.Count(pair => pair is (true, false)), both.Count(pair => pair is (false, true)));
Say($"{worse} against {better}: loss t = {test.Statistic:F2}, p = {test.PValue:G2}; right and wrong p = {exact:G2}");

// 5. Ratings: in every window two models play a game, which the one with the lower loss wins. Elo depends on the order, Bradley–Terry not;
// one draw of each pair keeps the strength of a model that always wins within bounds.
string[] names = [.. models.Keys];
(string, string)[] pairs = [(names[0], names[1]), (names[1], names[2]), (names[0], names[2])];
Game[] games = [.. pairs.Select(pair => new Game(pair.Item1, pair.Item2, 0.5)), .. windows.Index().SelectMany(window => pairs.Select(pair
    => new Game(pair.Item1, pair.Item2, losses[pair.Item1][window.Index] < losses[pair.Item2][window.Index] ? 1 : 0)))];
var elo = Ratings.Elo(games);
var strength = Ratings.BradleyTerry(games);
foreach (var name in names)
    Say($"{name,-12} Elo {elo[name]:F0}, Bradley–Terry {Ratings.OnEloScale(strength[name]):F0}");

// 6. Texts against references: the same words in another order, other words, the same.
string[] hypotheses = args.Length > 2 ? File.ReadAllLines(args[2])
    : ["the cat sat on the mat", "on the mat the cat sat", "a dog lay under a table"];
string[] references = args.Length > 2 ? File.ReadAllLines(args[3]) : [.. Enumerable.Repeat("the cat sat on the mat", 3)];
foreach (var (hypothesis, reference) in hypotheses.Zip(references).Take(5))
{
    double bleu = Bleu.Sentence(hypothesis, [reference], new BleuOptions { EffectiveOrder = true }).Score,
        chrF = ChrF.Sentence(hypothesis, [reference]), words = 100 * RougeScore.NGram(hypothesis, reference, 1).F1,
        order = 100 * RougeScore.LongestCommon(hypothesis, reference).F1;
    Say($"BLEU {bleu,5:F1}, chrF {chrF,5:F1}, ROUGE-1 {words,5:F1}, ROUGE-L {order,5:F1}: {hypothesis}");
}

foreach (var gpt in models.Values)
    await gpt.DisposeAsync();
work.Delete(recursive: true);
return 0;

static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
