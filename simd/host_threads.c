/* host_threads.c - pieces of work on all cores; see struct swax_tier's each. */

void swax_each_openmp(int n, void (*f)(int i, void *arg), void *arg);

void swax_each_openmp(int n, void (*f)(int i, void *arg), void *arg)
{
    #pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < n; i++)
        f(i, arg);
}
