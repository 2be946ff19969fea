using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.EndToEnd.Support;

namespace Kotonoha.EndToEnd.Samples;

/// <content>The samples that train: a tiny version of each learns, by a margin over a named baseline.</content>
public partial class SampleTests
{
    private static readonly string Documents = Repository.At("samples", "documents");

    [Fact]
    public async Task TokenizersFromScratch_compresses_what_it_has_not_seen()
    {
        string english = Path.Combine(Documents, "model", "tokenizers.md"), japanese = Path.Combine(Documents, "ja", "tokenizers.md");
        var output = await OutputAsync("TokenizersFromScratch", "800", english, japanese);

        // Beside single bytes, of which each is a token.
        foreach (var tokenizer in (string[])["BPE", "WordPiece", "Unigram"])
            foreach (var text in (string[])[english, japanese])
                Assert.True(Figure(output, $@"(?m)^{tokenizer} +\d+ +([\d.]+).*{Regex.Escape(text)}\r?$") >= 1.9, output);
        Assert.Contains("' the'", output, StringComparison.Ordinal);
        Assert.Contains("lines that BPE does not give back letter by letter: 0", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AttentionFromScratch_says_what_the_fast_model_says()
    {
        var output = await OutputAsync("AttentionFromScratch", "To be, or not to be, that is the question");
        foreach (var part in (string[])["attention weights of every head", "chances after every block", "hidden states", "logits"])
            Assert.True(Figure(output, part + " differ by at most +([-+.E0-9]+)") < 1e-4, output);
        Assert.True(Figure(output, "they reach ([0-9.]+)") > 1, output);

        // The mask, beside none.
        Assert.Equal(0, Figure(output, "by +([-+.E0-9]+) with the mask"));
        Assert.True(Figure(output, "with the mask, ([-+.E0-9]+) without") > 1e-2, output);
        Assert.True(Figure(output, "alike to within +([-+.E0-9]+)") < 1e-4, output);
    }

    [Fact]
    public async Task PretrainBert_needs_fewer_labels_after_pretraining()
    {
        var output = await OutputAsync("PretrainBert", "400");
        Assert.True(
            Figure(output, @"after 400 steps: +loss ([\d.]+)") < Figure(output, @"before pretraining: loss ([\d.]+)") - 1.5, output);
        double pretrained = Figure(output, @"pretrained: +([\d.]+)%");
        Assert.True(pretrained >= Figure(output, @"without pretraining: +([\d.]+)%") + 20, output);
        Assert.True(pretrained >= Figure(output, @"words of the labelled texts: +([\d.]+)%") + 10, output);
    }

    [Fact]
    public async Task FineTuning_gains_with_few_weights_and_merges()
    {
        var output = await OutputAsync("FineTuning", "40");
        double start = Loss("base"), all = Loss("all weights");
        Assert.True(all < 0.5 * start, output);
        foreach (var name in (string[])["last layer", "LoRA rank 8", "LoRA rank 2", "LoRA rank 1", "DoRA rank 2"])
            Assert.True(start - Loss(name) >= 0.6 * (start - all), $"{name}\n{output}");
        Assert.True(Figure(output, @"(?m)^LoRA rank 1 +([\d.]+)%") < 2, output);
        var merged = Regex.Matches(output, "differ by at most ([-+.E0-9]+)");
        Assert.Equal(4, merged.Count);
        Assert.All(merged, match => Assert.True(Number(match) < 1e-4, output));

        double Loss(string name) => Figure(output, $@"(?m)^{name} +[\d.]+% +([\d.]+)");
    }

    [Fact]
    public async Task PreferenceAlignment_prefers_the_better_answers()
    {
        var output = await OutputAsync("PreferenceAlignment", "150");
        double words = Figure(output, @"bag of words +([\d.]+)%"), start = Figure(output, @"the start +([\d.]+)%");
        Assert.True(Figure(output, @"DPO +([\d.]+)%") >= Math.Max(words, start) + 10, output);
        Assert.True(Figure(output, @"the reward model +([\d.]+)%") >= words + 5, output);
        Assert.True(Figure(output, @"([-\d.]+) after$") > Figure(output, @"reward of answers +([-\d.]+) before"), output);
    }

    [Fact]
    public async Task ReasoningWithGrpo_reasons_better_in_steps_and_by_practice()
    {
        var output = await OutputAsync("ReasoningWithGrpo", "400", "20");
        Assert.True(Right("worked steps") >= Right("results alone") + 20, output);
        Assert.True(Right("both, after GRPO") >= Right("both, before GRPO") + 2, output);
        Assert.True(InSteps("both, after GRPO") >= InSteps("both, before GRPO") + 20, output);
        Assert.True(Right("few, and sampled") >= Right("few worked steps") + 2, output);
        Assert.True(Right("student, taught") >= Right("student, few") + 2, output);

        double Right(string name) => Figure(output, name + @": +([\d.]+)% right");
        double InSteps(string name) => Figure(output, name + @": .*, (\d+)% of 300 answers in steps");
    }

    [Fact]
    public async Task Compression_keeps_the_perplexity()
    {
        var output = await OutputAsync("Compression", "80", Documents);
        var (size, perplexity) = Row("single precision");
        Assert.True(Row("Q8_0").Perplexity < 1.005 * perplexity && Row("Q8_0").Size < 0.35 * size, output);
        Assert.True(Row("Q4_0").Perplexity < 1.03 * perplexity && Row("Q4_0").Size < 0.25 * size, output);
        Assert.True(Row("without 25% of the weights").Perplexity < 1.05 * perplexity, output);
        Assert.True(Row("half of each feed-forward part").Size < 0.8 * size, output);

        // Distillation, beside the same small model that saw the text alone.
        Assert.True(Row("a small model, distilled").Perplexity < 0.97 * Row("a small model, text alone").Perplexity, output);

        (double Size, double Perplexity) Row(string name)
            => (Figure(output, $@"(?m)^{name}.*? +(\d+) +[\d.]+\r?$"), Figure(output, $@"(?m)^{name}.*? +\d+ +([\d.]+)\r?$"));
    }

    [Fact]
    public async Task ScalingLaws_predict_a_larger_run()
    {
        var output = await OutputAsync("ScalingLaws", "40", Documents);

        // Beside the loss of the best run there is.
        double law = Figure(output, @"predicted: .*, ([-+][\d.]+)%"), best = Figure(output, @"best of sweep: .*, ([-+][\d.]+)%");
        Assert.True(Math.Abs(law) <= Math.Abs(best) - 4, output);
    }

    [Fact]
    public async Task Evaluation_tells_models_and_texts_apart()
    {
        var output = await OutputAsync("Evaluation", "90", Documents);
        Assert.True(Of("90 steps", @"bits a byte ([\d.]+)") < 0.9 * Of("1 step", @"bits a byte ([\d.]+)"), output);
        Assert.True(Of("90 steps", @"\((\d+)–\d+%\)") > 40, output); // the lower end of the interval, by chance 25%
        Assert.True(Figure(output, @"loss t = [-\d.]+, p = ([-+.E0-9]+)") < 1e-3, output);
        foreach (var rating in (string[])["Elo", "Bradley–Terry"])
            Assert.True(Of("90 steps", rating + @" ([-\d]+)") > Of("1 step", rating + @" ([-\d]+)") + 200, output);

        // What sacrebleu and rouge-score give for the same words in another order.
        Assert.Contains("BLEU 100.0, chrF 100.0, ROUGE-1 100.0, ROUGE-L 100.0: the cat sat on the mat", output, StringComparison.Ordinal);
        Assert.Contains("ROUGE-1 100.0, ROUGE-L  50.0: on the mat the cat sat", output, StringComparison.Ordinal);

        double Of(string model, string pattern) => Figure(output, $"(?m)^{model} .*{pattern}");
    }

    [Fact]
    public async Task Optimizers_beat_token_frequencies_and_each_other()
    {
        var output = await OutputAsync("Optimizers", "120", Documents);
        foreach (var name in (string[])["AdamW", "Muon, AdamW for embeddings", "Lion", "SGD with momentum", "AdamW, constant rate",
            "AdamW, warm-up, plateau, decay", "AdamW, constant rate, average"])
            Assert.True(Loss(name) < Loss("token frequencies") - 0.3, $"{name}\n{output}");

        // At equal steps, beside SGD.
        Assert.True(Loss("AdamW") < Loss("SGD with momentum") - 0.05, output);
        Assert.True(Loss("Muon, AdamW for embeddings") < Loss("AdamW") - 0.2, output);

        double Loss(string name) => Figure(output, $@"(?m)^{name}  +([\d.]+)");
    }

    private static async Task<string> OutputAsync(string sample, params string[] arguments)
    {
        using var folder = new TemporaryFolder();
        var run = await RunAsync(sample, folder, arguments);
        Assert.True(run.ExitCode == 0, run.ToString());
        return run.Output;
    }

    private static double Figure(string output, string pattern)
    {
        var match = Regex.Match(output, pattern, RegexOptions.CultureInvariant);
        Assert.True(match.Success, $"no {pattern} in\n{output}");
        return Number(match);
    }

    private static double Number(Match match) => double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
}
