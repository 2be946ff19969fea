using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;

namespace Kotonoha.LocalModel.Tests.Training;

[Collection(nameof(TrainingAllocationTests))]
public sealed class TrainingAllocationTests
{
    [Fact]
    public void A_steady_training_step_allocates_nothing_on_the_managed_heap()
    {
        // With one thread everything runs on this one. The runtime allocates on it too while it compiles the loops anew, so a later round
        // counts.
        var options = new TrainingOptions();
        using var data = TokenDataset.FromBytes(new byte[400]);
        using var model =
            Gpt2.Create(
                new Gpt2Config
                {
                    VocabularySize = 256,
                    ContextLength = 8,
                    Width = 8,
                    Layers = 1,
                    Heads = 2,
                    EmbeddingDropout = 0.1f,
                    AttentionDropout = 0.1f,
                    ResidualDropout = 0.1f
                }, 1);
        using var backend = new CpuBackend(threads: 1);
        using var session = new CpuTrainingSession(model.Parameters, backend);
        var engine = new TrainingEngine(session, options);
        var sampler = new WindowSampler(data.Train, 2, 8, options.Seed);
        Func<Pass, Tensor> loss = pass => TokenLoss.Mean(model, pass, sampler.Batch, sampler.Targets, new CrossEntropyOptions());
        var schedule = options.EffectiveSchedule;
        Steps(0, 100);
        long allocated = long.MaxValue;
        for (int round = 1; round <= 500 && allocated > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Steps(round * 100, round * 100 + 100);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(0, allocated);

        void Steps(int from, int to)
        {
            for (int step = from; step < to; step++)
            {
                engine.Begin(step);
                for (int micro = 0; micro < 2; micro++)
                {
                    sampler.Draw(step, micro);
                    engine.Accumulate(micro, loss, 0.5);
                }

                engine.Update(schedule.At(step));
            }
        }
    }
}
