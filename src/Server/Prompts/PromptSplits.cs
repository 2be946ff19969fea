using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.Client;
using Kotonoha.Server.Http;

namespace Kotonoha.Server.Prompts;

/// <summary>What people thought of a version's answers.</summary>
internal sealed record Votes(int Up = 0, int Down = 0)
{
    public int All => Up + Down;

    /// <summary>The share of votes for it with its 95% interval after Wilson; null without a vote.</summary>
    public (double Share, Interval Interval)? Rate => All == 0 ? null : ((double)Up / All, Statistics.Wilson(Up, All));
}

/// <summary>A prompt that is served in two versions.</summary>
/// <param name="Id">Names this split; a new one begins to count anew.</param>
/// <param name="First">A version.</param>
/// <param name="Second">The other.</param>
/// <param name="Share">The share of people who get the second, from 0 to 1.</param>
/// <param name="Started">When it began.</param>
/// <param name="FirstVotes">The votes of the first version's answers.</param>
/// <param name="SecondVotes">The votes of the second's.</param>
internal sealed record PromptSplit(
    string Id, int First, int Second, double Share, DateTimeOffset Started, Votes FirstVotes, Votes SecondVotes)
{
    /// <summary>The second version's share of good votes less the first's, with its 95% interval; null before both have votes.</summary>
    public (double Difference, Interval Interval)? Difference => FirstVotes.All == 0 || SecondVotes.All == 0 ? null
        : ((double)SecondVotes.Up / SecondVotes.All - (double)FirstVotes.Up / FirstVotes.All,
            Statistics.ProportionDifference(SecondVotes.Up, SecondVotes.All, FirstVotes.Up, FirstVotes.All));

    /// <summary>The version of a person, who stays with it as long as the split lasts.</summary>
    public int VersionOf(string person)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{Id}\n{person}"));
        return BinaryPrimitives.ReadUInt32BigEndian(hash) / (double)(1L << 32) < Share ? Second : First;
    }
}

/// <summary>The splits of all prompts, each in a file beside the versions.</summary>
internal sealed class PromptSplits(PromptLibrary library)
{
    private readonly Lock _lock = new();

    /// <summary>The split of a prompt, or null.</summary>
    public PromptSplit? Find(string name)
    {
        library.Check(name);
        lock (_lock)
            return File.Exists(library.SplitFile(name))
                ? JsonSerializer.Deserialize<PromptSplit>(File.ReadAllBytes(library.SplitFile(name)), KotonohaClient.Format)
                : null;
    }

    /// <summary>Serves a prompt in two versions from now on.</summary>
    /// <exception cref="ApiException">The caller may not, a version is not there, or the share is none.</exception>
    public PromptSplit Start(string name, int first, int second, double share, Caller caller)
    {
        PromptLibrary.RequireWriter(caller);
        if (first == second)
            throw ApiException.Invalid("second", "A split needs two different versions.");
        if (share is not (> 0 and < 1))
            throw ApiException.Invalid("share", $"The share is {share}; it lies between 0 and 1.");
        library.Read(name, first);
        library.Read(name, second);
        return Set(name, _ => new PromptSplit(
            Guid.NewGuid().ToString("N")[..12], first, second, share, TimeProvider.System.GetUtcNow(), new Votes(), new Votes()))!;
    }

    /// <summary>Serves the present version alone again.</summary>
    public void Stop(string name, Caller caller)
    {
        PromptLibrary.RequireWriter(caller);
        Set(name, _ => null);
    }

    /// <summary>Counts a vote, and takes an earlier one of the same answer back.</summary>
    /// <param name="name">The prompt.</param>
    /// <param name="id">The split that served the answer; where another one runs by now, nothing is counted.</param>
    /// <param name="version">The version that answered.</param>
    /// <param name="vote">Whether the answer is good.</param>
    /// <param name="before">The earlier vote, or null.</param>
    public void Vote(string name, string id, int version, bool vote, bool? before) => Set(name, split =>
    {
        if (split is null || split.Id != id || vote == before)
            return split;
        Votes Counted(Votes votes) => new(
            votes.Up + (vote ? 1 : 0) - (before == true ? 1 : 0), votes.Down + (vote ? 0 : 1) - (before == false ? 1 : 0));
        return version == split.First ? split with { FirstVotes = Counted(split.FirstVotes) }
            : version == split.Second ? split with { SecondVotes = Counted(split.SecondVotes) } : split;
    });

    private PromptSplit? Set(string name, Func<PromptSplit?, PromptSplit?> change)
    {
        lock (_lock)
        {
            var before = Find(name);
            var after = change(before);
            if (after == before)
                return after;
            if (after is null)
            {
                File.Delete(library.SplitFile(name));
            }
            else
            {
                Directory.CreateDirectory(library.KeptFolder(name));
                AtomicFile.WriteText(library.SplitFile(name), JsonSerializer.Serialize(after, KotonohaClient.Format));
            }

            return after;
        }
    }
}
