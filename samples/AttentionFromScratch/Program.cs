// Builds GPT-2 step by step on plain arrays and holds each step against the fast model: attention of every head, every block, the logits.
// Usage: dotnet run -c Release -- TEXT [MODEL-FOLDER]    (without a folder: a model with random weights that reads bytes)
using System.Globalization;
using System.Numerics.Tensors;
using System.Text;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.Samples.AttentionFromScratch;

if (args.Length is not (1 or 2))
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- TEXT [MODEL-FOLDER]");
    return 1;
}

// 1. The fast model and the same weights as plain arrays, by their names in the checkpoint's file.
using var model = args.Length > 1
    ? ModelCheckpoint.Load(args[1]) as Gpt2 ?? throw new ArgumentException($"{args[1]} holds no GPT-2.")
    : Gpt2.Create(new Gpt2Config
    {
        VocabularySize = 256,
        ContextLength = 64,
        Width = 48,
        Layers = 3,
        Heads = 4,
        InitializerRange = 0.2f,
    });
var work = Directory.CreateTempSubdirectory("kotonoha-attention");
var folder = Path.Combine(work.FullName, "model");
ModelExport.SaveFolder(model, new CheckpointParts(), folder);
var weights = new Weights(Path.Combine(folder, "model.safetensors"));
int[] ids = args.Length > 1 ? CheckpointText.Load(args[1]).Tokenizer!.Encode(args[0]) : [.. Encoding.UTF8.GetBytes(args[0])];
ids = ids[..Math.Min(ids.Length, model.ContextLength)];
if (ids.Length < 2)
{
    Console.Error.WriteLine("The text needs two tokens at least.");
    return 1;
}

var view = ModelView.Of(model, ids, alternatives: model.VocabularySize);

// 2. Each token's row of the table, and the row of its place: (tokens, width).
var x = Layers.Add(ids.Select(id => weights.Row("wte.weight", id)), ids.Select((_, place) => weights.Row("wpe.weight", place)));

// 3. The blocks: attention, then the feed-forward part, each after a layer norm and added to what was there.
float worstAttention = 0, worstBlock = 0, worstHidden = 0;
for (int layer = 0; layer < model.Config.Layers; layer++)
{
    var name = $"h.{layer}.";
    var (attended, heads) = Layers.MultiHead(Layers.Norm(x, weights, name + "ln_1"), model.Config.Heads, weights, name + "attn.");
    x = Layers.Add(x, attended);
    x = Layers.Add(x, Layers.FeedForward(Layers.Norm(x, weights, name + "ln_2"), weights, name + "mlp."));
    for (int head = 0; head < heads.Length; head++)
        worstAttention = Math.Max(worstAttention, Difference(heads[head].SelectMany(row => row), view.Attention(layer, head).ToArray()));

    // What the block's output would predict if it were the last one (the logit lens).
    foreach (var (place, row) in LogitsOf(x).Index())
    {
        TensorPrimitives.SoftMax(row, row);
        worstBlock = Math.Max(worstBlock, view.Lens[layer][place].Max(chance => Math.Abs(row[chance.Id] - (float)chance.Probability)));
    }
}

// 4. The last norm and the head, which is the table of the tokens once more: a logit for each token that may come next.
foreach (var (place, row) in Layers.Norm(x, weights, "ln_f").Index())
    worstHidden = Math.Max(worstHidden, Difference(row, view.Embeddings[place]));
var logits = LogitsOf(x);
using var gpt = LocalGpt.Load(folder, new LocalGptOptions { AllowMissingTokenizer = true });
float worstLogit = 0;
for (int place = 0; place < ids.Length; place++)
    worstLogit = Math.Max(worstLogit, Difference(logits[place], (await gpt.ScoreTokensAsync(ids[..(place + 1)], true)).LastLogits!));

// 5. The causal mask: with another last token everything before it stays as it was. Without the mask it would not.
var masked = Layers.Attend(x, x, x, causal: true).Output;
x[^1] = [.. x[^1].Select(value => value + 1)];
float changed = masked.SkipLast(1).Zip(Layers.Attend(x, x, x, causal: true).Output).Max(pair => Difference(pair.First, pair.Second)),
    open = masked.SkipLast(1).Zip(Layers.Attend(x, x, x, causal: false).Output).Max(pair => Difference(pair.First, pair.Second));

// 6. Sinusoidal positions, as the first Transformer had them: how alike two places are depends on their distance alone.
float[][] places = Layers.SinusoidalPositions(ids.Length + 5, model.Width);
float drift = Enumerable.Range(0, ids.Length).Max(t => Math.Abs(TensorPrimitives.Dot<float>(places[t], places[t + 5])
    - TensorPrimitives.Dot<float>(places[0], places[5])));

Say($"{ids.Length} tokens, {model.Config.Layers} blocks of {model.Config.Heads} heads, {model.ParameterCount} weights");
Say($"attention weights of every head differ by at most {worstAttention:E1}");
Say($"chances after every block differ by at most      {worstBlock:E1}");
Say($"hidden states differ by at most                  {worstHidden:E1}");
Say($"logits differ by at most                         {worstLogit:E1} (they reach {logits.Max(row => row.Max(Math.Abs)):F1})");
Say($"another last token changes those before it by    {changed:E1} with the mask, {open:E1} without");
Say($"sinusoidal places 5 apart are alike to within    {drift:E1}");
work.Delete(recursive: true);
return worstAttention < 1e-4 && worstBlock < 1e-4 && worstHidden < 1e-4 && worstLogit < 1e-4 && changed == 0 ? 0 : 2;

float[][] LogitsOf(float[][] hidden) => [.. Layers.Norm(hidden, weights, "ln_f").Select(row => weights.Times("wte.weight", row))];

static float Difference(IEnumerable<float> a, IEnumerable<float> b) => a.Zip(b, (left, right) => Math.Abs(left - right)).Max();

static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));
