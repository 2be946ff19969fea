using Kotonoha.Server.Training;

namespace Kotonoha.Server.Tests;

public sealed class TrainingLogFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("3", "12345")]
    [InlineData("12345", "3")]
    public void A_log_that_was_cut_and_goes_on_with_longer_or_shorter_lines_loses_none(string before, string after)
    {
        var path = _folder.At("log.jsonl");
        var log = new TrainingLogFile(path);
        File.WriteAllLines(path, Enumerable.Range(1, 40).Select(step => Line(step, before)));
        Assert.Equal(40, log.Step);

        // The run goes on from a checkpoint of step 38.
        File.WriteAllLines(path, Enumerable.Range(1, 38).Select(step => Line(step, before)).Concat([Line(39, after)]));
        Assert.Equal(39, log.Step);
        File.AppendAllLines(path, Enumerable.Range(40, 5).Select(step => Line(step, after)));
        Assert.Equal(Enumerable.Range(1, 44).Select(step => (long)step), log.Points().Select(point => point.Step));

        static string Line(int step, string speed) => $$"""{"step":{{step}},"loss":1.5,"tokens_per_second":{{speed}}}""";
    }
}
