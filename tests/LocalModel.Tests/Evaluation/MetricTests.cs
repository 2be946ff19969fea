using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Tests.Evaluation;

/// <summary>Laws of metrics and their errors; values are compared with the reference libraries' in the carried fixtures.</summary>
public sealed class MetricTests
{
    [Theory]
    [InlineData("The old keeper climbs the stairs.")]
    [InlineData("灯台守は毎晩古い階段をのぼる。")]
    public void A_text_that_is_its_reference_has_the_best_score_of_every_metric(string text)
    {
        var tokenizer = BleuTokenizer.Character;
        Assert.Equal(100, Bleu.Sentence(text, [text], new BleuOptions { Tokenizer = tokenizer }).Score, 1e-9);
        Assert.Equal(100, ChrF.Sentence(text, [text], new ChrFOptions { WordOrder = 2 }), 1e-9);
        Assert.Equal(0, TranslationEditRate.Sentence(text, [text]).Score);
        Assert.Equal(1, RougeScore.NGram(text, text, 2, RougeTokenizer.Characters).F1);
        Assert.Equal(1, RougeScore.LongestCommon(text, text, RougeTokenizer.Characters).F1);
        Assert.Equal(new AnswerScore(1, 1), AnswerScore.Of(text, ["another", text], AnswerLanguage.Japanese));
    }

    [Fact]
    public void Moving_a_run_of_words_is_one_edit()
        => Assert.Equal(1, TranslationEditRate.Sentence("d e f a b c", ["a b c d e f"]).Edits);

    [Fact]
    public void A_span_counts_where_both_ends_and_the_label_are_right()
    {
        // Of 4 wanted and 5 found spans 2 are the same: one has a wrong end, one a wrong label, one is in the other text.
        LabeledSpan[][] truth = [[new(0, 2, "PER"), new(3, 4, "LOC"), new(6, 9, "ORG")], [new(0, 1, "PER")]];
        LabeledSpan[][] found = [[new(0, 2, "PER"), new(3, 4, "ORG"), new(6, 8, "ORG")], [new(0, 1, "PER"), new(3, 4, "LOC")]];
        var score = new SpanScore(truth, found);
        Assert.Equal(2 / 5.0, score.Micro.Precision, 1e-12);
        Assert.Equal(2 / 4.0, score.Micro.Recall, 1e-12);
        Assert.Equal(2 * 0.4 * 0.5 / 0.9, score.Micro.F1, 1e-12);
        Assert.Equal(["LOC", "ORG", "PER"], score.PerLabel.Keys);
        Assert.Equal((1.0, 1.0, 1.0), (score.PerLabel["PER"].Precision, score.PerLabel["PER"].Recall, score.PerLabel["PER"].F1));
        Assert.Equal((0.0, 0.0), (score.PerLabel["ORG"].F1, score.PerLabel["LOC"].F1));
        Assert.Equal(0, new SpanScore([[]], [[]]).Micro.F1);
        Assert.Throws<ArgumentException>(() => new SpanScore([[]], []));
    }

    [Theory]
    [InlineData("O B-PER I-PER O B-LOC", "1-3 PER, 4-5 LOC")]
    [InlineData("B-PER B-PER I-PER", "0-1 PER, 1-3 PER")]
    [InlineData("I-PER I-LOC I-LOC O I-LOC", "0-1 PER, 1-3 LOC, 4-5 LOC")]
    [InlineData("B-PER I-LOC", "0-1 PER, 1-2 LOC")]
    [InlineData("S-PER B-LOC E-LOC I-LOC U-ORG L-ORG", "0-1 PER, 1-3 LOC, 3-4 LOC, 4-5 ORG, 5-6 ORG")]
    [InlineData("NOUN NOUN VERB O NOUN", "0-2 NOUN, 2-3 VERB, 4-5 NOUN")]
    [InlineData("O", "")]
    public void Tags_are_read_as_stretches(string tags, string spans)
        => Assert.Equal(spans, string.Join(", ", SpanTags.SpansOf(tags.Split(' ')).Select(s => $"{s.Start}-{s.End} {s.Label}")));

    [Fact]
    public void A_hypothesis_without_a_reference_is_named()
    {
        var exception = Assert.Throws<ArgumentException>(() => Bleu.Corpus(["a", "b"], [["a"], []]));
        Assert.Contains("Hypothesis 1", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ChrF.Corpus(["a", "b"], [["a"]]));
        Assert.Throws<ArgumentException>(() => AnswerScore.Of("a", []));
    }

    [Fact]
    public void A_label_that_is_no_class_is_named()
    {
        var exception = Assert.Throws<ArgumentException>(() => new ClassificationScore<string>(["a", "b"], ["a", "c"], ["a", "b"]));
        Assert.Contains("'c'", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => BinaryRanking.RocArea([0.1, 0.2], [true, true]));
    }

    [Fact]
    public void Nine_in_ten_bootstrap_intervals_hold_the_mean_that_samples_come_from()
    {
        var random = new Random(1);
        int held = 0;
        for (int trial = 0; trial < 200; trial++)
        {
            double[] sample = [.. Enumerable.Range(0, 40).Select(_ => random.NextDouble())];
            var interval = Statistics.PercentileInterval(Statistics.BootstrapMeans(sample, 400, seed: trial), 0.9);
            held += interval.Low <= 0.5 && 0.5 <= interval.High ? 1 : 0;
        }

        Assert.InRange(held, 165, 195);
        Assert.Equal(Statistics.BootstrapMeans([1, 2, 3], 50, 4), Statistics.BootstrapMeans([1, 2, 3], 50, 4));
    }

    [Fact]
    public void Strengths_do_not_depend_on_the_order_of_games_and_give_the_odds_that_were_seen()
    {
        Game[] games = [new("a", "b", 1), new("a", "b", 1), new("b", "a", 1), new("a", "b", 1)];
        var strengths = Ratings.BradleyTerry(games);
        Assert.Equal(Math.Log(3), strengths["a"] - strengths["b"], 1e-9);
        Assert.Equal(strengths["a"], Ratings.BradleyTerry(games.Reverse())["a"], 1e-9);
    }

    [Fact]
    public void A_player_who_never_lost_has_no_likeliest_strength()
    {
        var exception = Assert.Throws<ArgumentException>(
            () => Ratings.BradleyTerry([new("b", "c", 1), new("c", "b", 1), new("winner", "b", 1), new("winner", "c", 1)]));
        Assert.Contains("'winner'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_scaling_law_is_found_again_and_predicts_a_run_ten_times_larger()
    {
        var law = new ScalingLaw(1.7, 120, 0.3, 300, 0.32);
        var random = new Random(3);
        ScalingRun[] runs =
        [
            .. from n in (double[])[1e5, 3e5, 1e6, 3e6, 1e7]
               from d in (double[])[1e6, 5e6, 2e7, 1e8]
               select new ScalingRun(n, d, law.Predict(n, d) * (1 + 0.002 * (random.NextDouble() - 0.5))),
        ];
        var fitted = ScalingLaw.Fit(runs);
        Assert.Equal(1, fitted.Predict(1e8, 1e9) / law.Predict(1e8, 1e9), 0.03);
        var (parameters, tokens) = law.Optimal(1e18);
        Assert.Equal(1e18, 6 * parameters * tokens, 1e10);
        foreach (double factor in (double[])[0.5, 2])
            Assert.True(law.Predict(parameters * factor, tokens / factor) > law.Predict(parameters, tokens));
        Assert.Throws<ArgumentException>(() => ScalingLaw.Fit(runs[..4]));
    }

    [Fact]
    public void A_pair_of_sentences_is_scored_on_its_shared_words_each_masked_alone()
    {
        int[] more = [2, 10, 11, 12, 3], less = [2, 10, 20, 12, 3];
        var seen = new List<string>();
        var (first, second) = CrowsPairs.Compare(more, less, 4, (ids, position) =>
        {
            Assert.Equal(4, ids[position]);
            Assert.Equal(1, ids.Count(id => id == 4));
            seen.Add($"{string.Join(' ', ids)}@{position}");
            var logits = new float[21];
            logits[10] = ids.Contains(11) ? 3 : 0;
            return logits;
        });
        Assert.Equal(["2 4 11 12 3@1", "2 10 11 4 3@3", "2 4 20 12 3@1", "2 10 20 4 3@3"], seen);
        Assert.Equal(3 - Math.Log(20 + Math.Exp(3)) - Math.Log(20 + Math.Exp(3)), first, 1e-6);
        Assert.Equal(-2 * Math.Log(21), second, 1e-6);
    }

    [Fact]
    public void Bits_per_byte_do_not_depend_on_how_a_text_is_cut_into_tokens()
    {
        var coarse = TextLikelihood.Of("言葉", [-4.0]);
        var fine = TextLikelihood.Of("言葉", [-1.0, -3.0]);
        Assert.Equal(coarse.BitsPerByte, fine.BitsPerByte, 1e-12);
        Assert.NotEqual(coarse.Perplexity, fine.Perplexity);
        Assert.Equal(6, coarse.Bytes);
        Assert.Equal(2, coarse.Characters);
    }
}
